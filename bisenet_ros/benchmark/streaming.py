# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Streams frames at a fixed rate into a slot where the newest frame wins, as in the node.

The method is that of Isaac ROS: latency at fixed rates, and the highest rate with under 5 % dropped
frames. A thread publishes frames by the clock, whether or not the segmenter keeps up; a frame that
was not taken before the next one arrived is dropped.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from bisenet_ros.benchmark.rounds import percentiles
from bisenet_ros.camera_slot import CameraSlot

MAX_DROPPED = 0.05
"""The fraction of frames that may be dropped at a sustained rate."""

MIN_FRAMES = 40
"""Minimum number of frames in a trial; with fewer, one dropped frame would weigh too much."""

BISECTIONS = 7
"""Trials of `highest_sustained`; they resolve the rate to 1/64 of the range."""


@dataclass(frozen=True)
class Trial:
    """Results at one rate.

    Attributes:
        rate: Frames per second of the camera.
        received: Frames published.
        dropped: Frames replaced by a newer one.
        seconds: From the first frame until the last one was processed.
        ages_ms: For processed frames: from the time a frame was due until its messages were ready.
        cpu_seconds: CPU time of all threads of the process.
    """

    rate: float
    received: int
    dropped: int
    seconds: float
    ages_ms: tuple[float, ...]
    cpu_seconds: float

    @property
    def sustained(self) -> bool:
        """Whether few enough frames were dropped."""
        return self.dropped < MAX_DROPPED * self.received

    def figures(self) -> dict[str, float]:
        """Returns the figures, ready for JSON."""
        return {
            'rate_hz': self.rate,
            'received_frames': self.received,
            'dropped_frames': self.dropped,
            'processed_fps': len(self.ages_ms) / self.seconds,
            'cpu_percent': 100 * self.cpu_seconds / self.seconds,
            **{f'age_{name}': value for name, value in percentiles(self.ages_ms).items()},
        }


def stream(process: Callable[[float], object], rate: float, seconds: float) -> Trial:
    """Publishes a frame repeatedly, and processes the newest one whenever possible.

    Args:
        process: Does the work of the node on the frame that was due at a time, in seconds of
            `time.monotonic()`.
        rate: Frames per second.
        seconds: Duration; extended to at least `MIN_FRAMES` frames.
    """
    arrival = threading.Condition()
    slot = CameraSlot('', arrival)
    frames = max(MIN_FRAMES, math.ceil(seconds * rate))
    ended = threading.Event()
    start = time.monotonic()

    def publish() -> None:
        for index in range(frames):
            due = start + index / rate
            ended.wait(due - time.monotonic())
            if ended.is_set():
                return
            slot.put(due, time.monotonic())
        ended.set()
        with arrival:
            arrival.notify_all()

    def newest() -> float | None:
        due: float | None
        with arrival:
            while (due := slot.take()) is None and not ended.is_set():
                arrival.wait()
        return due

    ages_ms = []
    cpu = time.process_time()
    camera = threading.Thread(target=publish, name='camera')
    camera.start()
    try:
        while (due := newest()) is not None:
            process(due)
            ages_ms.append(1e3 * (time.monotonic() - due))
    finally:
        ended.set()
        camera.join()
    counts = slot.state.counts
    return Trial(
        rate=rate,
        received=counts.received,
        dropped=counts.dropped,
        # The last frame has a period of its own, too.
        seconds=max(time.monotonic() - start, frames / rate),
        ages_ms=tuple(ages_ms),
        cpu_seconds=time.process_time() - cpu,
    )


def highest_sustained(
    trial: Callable[[float], Trial], unloaded_ms: float, advance: Callable[[], None]
) -> Trial:
    """Returns the trial at the highest sustained rate, found by bisection.

    Args:
        trial: Runs a trial at a rate.
        unloaded_ms: Time per frame without load; rates up to twice its inverse are tried.
        advance: Called after every trial.

    Returns:
        The best trial; the one at the lowest rate if none was sustained.
    """
    low, high = 0.0, 2 * 1e3 / unloaded_ms
    best = lowest = None
    for _ in range(BISECTIONS):
        rate = (low + high) / 2
        tried = trial(rate)
        advance()
        if tried.sustained:
            low, best = rate, tried
        else:
            high, lowest = rate, tried
    found = best or lowest
    assert found is not None
    return found
