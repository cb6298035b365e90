# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The worker's thread beside the simulated replay: the same frames taken, the same dropped.

Both run on a device that takes a fixed time per frame; time goes on when the test says so.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
from ros_peers import image_message, street

from bisenet_ros.bag.reader import Camera, RecordedFrame
from bisenet_ros.batching import Batching
from bisenet_ros.camera_slot import CameraSlot
from bisenet_ros.node import worker as worker_module
from bisenet_ros.node.worker import Worker
from bisenet_ros.replay.measure.evaluator import Taken
from bisenet_ros.replay.measure.simulated_arrival import simulate_arrival

TIMEOUT = 90.0
SECONDS_PER_FRAME = 0.07
CAMERAS = [Camera(name, f'/{name}', None, 0) for name in ('front', 'left', 'rear')]
PIXELS = street(32, 32)

Batch = list[tuple[str, int]]
"""Camera and number of each frame that went through the network together."""


def recorded() -> list[RecordedFrame]:
    """Three cameras at 30, 20 and 11 Hz, in the order in which their frames arrive."""
    frames = [
        RecordedFrame(camera, index, 0, round(1e9 * (offset + index / rate)), None, None)
        for camera, rate, offset in zip(
            CAMERAS, (30.0, 20.0, 11.0), (0.0, 0.013, 0.029), strict=True
        )
        for index in range(int(1.5 * rate))
    ]
    return sorted(frames, key=lambda frame: frame.received)


class Time:
    """Time that the test lets pass, and news of a worker that has come to rest in it.

    `news` is told of `idle` when the worker waits, and of each batch that the device has begun.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.news: queue.Queue[Batch | str] = queue.Queue()
        self.device_done = threading.Semaphore(0)

    def clock(self, arrival: threading.Condition, stopping: Any) -> SimpleNamespace:
        """In place of the worker's own clock."""

        def wait(until: float | None) -> bool:
            if stopping():
                return False
            self.due = until
            self.news.put('idle')
            arrival.wait()
            return not stopping()

        return SimpleNamespace(now=lambda: self.seconds, wait=wait)

    def segment(self, frames: Sequence[Any]) -> list[Any]:
        """In place of the network: busy until the test says that it is done."""
        self.news.put([(frame.camera, frame.message.index) for frame in frames])
        assert self.device_done.acquire(timeout=TIMEOUT)
        return list(frames)


def taken_live(
    monkeypatch: pytest.MonkeyPatch, *, together: bool, max_rate: float
) -> tuple[list[Batch], dict[str, int]]:
    """The batches of a worker's thread, and the frames that it dropped."""
    time, arrival = Time(), threading.Condition()
    monkeypatch.setattr(worker_module, '_WallClock', time.clock)
    slots = [CameraSlot(camera.name, arrival) for camera in CAMERAS]
    worker = Worker(
        slots,
        arrival,
        load=lambda: SimpleNamespace(notes=()),
        batching=lambda _: Batching(together, 'the test says so'),
        deliver=lambda *_: None,
        timed=nullcontext,
        max_rate=lambda: max_rate,
        logger=SimpleNamespace(info=lambda _: None, warning=print, error=print),
    )
    monkeypatch.setattr(worker.pipeline, 'segment', time.segment)
    batches: list[Batch] = []
    busy_until: float | None = None
    frames = recorded()
    worker.start(lambda _: None)

    def settle() -> None:
        """Hear what the worker does now, which is all that it does until time goes on."""
        nonlocal busy_until
        news = time.news.get(timeout=TIMEOUT)
        if news == 'idle':
            busy_until = None
        else:
            batches.append(news)
            busy_until = time.seconds + SECONDS_PER_FRAME * len(news)

    try:
        settle()
        while frames or busy_until is not None or any(slot.waiting for slot in slots):
            arrives = frames[0].received / 1e9 if frames else float('inf')
            wakes = busy_until if busy_until is not None else time.due
            time.seconds = min(arrives, float('inf') if wakes is None else wakes)
            # All that arrives at a moment is there before anything is begun in it.
            with arrival:
                if busy_until is None:
                    arrival.notify_all()
                while frames and frames[0].received / 1e9 <= time.seconds:
                    frame = frames.pop(0)
                    message = image_message(PIXELS)
                    message.index = frame.index
                    slots[CAMERAS.index(frame.camera)].put(message, time.seconds)
            if busy_until is not None and time.seconds >= busy_until:
                time.device_done.release()
                settle()
            elif busy_until is None:
                settle()
    finally:
        time.device_done.release()
        worker.stop()
    return batches, {f'/{slot.name}': slot.state.counts.dropped for slot in slots}


def taken_in_replay(*, together: bool, max_rate: float) -> tuple[list[Batch], dict[str, int]]:
    batches: list[Batch] = []

    def work(taken: Sequence[Taken]) -> float:
        batches.append([(one.frame.camera.name, one.frame.index) for one in taken])
        return SECONDS_PER_FRAME * len(taken)

    dropped = simulate_arrival(recorded(), CAMERAS, 1.0, work, together=together, max_rate=max_rate)
    return batches, dropped


@pytest.mark.parametrize('together', [True, False], ids=['together', 'one after the other'])
@pytest.mark.parametrize('max_rate', [0.0, 3.0, 8.0])
def test_a_replay_takes_and_drops_what_the_worker_does(
    monkeypatch: pytest.MonkeyPatch, together: bool, max_rate: float
) -> None:
    live = taken_live(monkeypatch, together=together, max_rate=max_rate)
    assert live == taken_in_replay(together=together, max_rate=max_rate)
    batches, dropped = live
    assert all(dropped.values())
    assert max(map(len, batches)) == (3 if together else 1)
