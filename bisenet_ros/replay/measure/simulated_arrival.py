# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Simulates which frames the node would have taken: frames arrive as recorded, the newest wins.

Time is simulated. The work of the node is run and measured, and advances the clock by the measured
time. Waiting for the next frame takes no real time, and the work of the evaluation itself (figures,
pictures) does not advance the clock. Frames are scheduled by the node's own `bisenet_ros.rounds`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from bisenet_ros.bag.reader import Camera, RecordedFrame
from bisenet_ros.camera_slot import CameraSlot
from bisenet_ros.replay.measure.evaluator import Taken
from bisenet_ros.rounds import rounds


class Arrived(NamedTuple):
    """A frame in its camera's slot.

    Attributes:
        frame: The frame.
        time: When it arrived, in seconds since the first frame.
    """

    frame: RecordedFrame
    time: float


class SimulatedClock:
    """A clock that is advanced explicitly, and puts frames into their slots when they arrive.

    Args:
        frames: In order of arrival.
        slots: By image topic.
        rate: Speed of arrival, relative to the recording.
    """

    def __init__(
        self, frames: Iterable[RecordedFrame], slots: Mapping[str, CameraSlot], rate: float
    ) -> None:
        self._arriving = self._timed(frames, rate)
        self._slots = slots
        self._now = 0.0
        self._next = next(self._arriving, None)

    def now(self) -> float:
        """See `rounds.Clock`."""
        return self._now

    def wait(self, until: float | None) -> bool:
        """See `rounds.Clock`; stops when there are no more frames to wait for."""
        if until is not None and (self._next is None or until < self._next.time):
            self._now = until
            return True
        if self._next is None:
            return False
        self._go_on(max(self._now, self._next.time))
        return True

    def advance(self, seconds: float) -> None:
        """Advances the clock."""
        self._go_on(self._now + seconds)

    def _go_on(self, now: float) -> None:
        self._now = now
        # Frames that arrive exactly now are included.
        while self._next is not None and self._next.time <= self._now:
            self._slots[self._next.frame.camera.image_topic].put(self._next, self._next.time)
            self._next = next(self._arriving, None)

    @staticmethod
    def _timed(frames: Iterable[RecordedFrame], rate: float) -> Iterator[Arrived]:
        first: int | None = None
        for frame in frames:
            # Stamps are not used, because they may all be equal, or jump.
            first = frame.received if first is None else first
            yield Arrived(frame, (frame.received - first) / 1e9 / rate)


def simulate_arrival(
    frames: Iterable[RecordedFrame],
    cameras: Sequence[Camera],
    rate: float,
    segment: Callable[[Sequence[Taken]], float],
    *,
    together: bool,
    max_rate: float,
) -> dict[str, int]:
    """Passes on the newest frame of every camera that has one, whenever the worker is free.

    Args:
        frames: In order of arrival.
        cameras: The cameras of the frames.
        rate: Speed of arrival, relative to the recording.
        segment: Segments frames of several cameras in one inference, as the node does; returns the
            seconds that the node is busy with it.
        together: Whether frames of several cameras share an inference.
        max_rate: Maximum rounds per second; 0 is no limit.

    Returns:
        Number of dropped frames by image topic.
    """
    arrival = threading.Condition()
    slots = {camera.image_topic: CameraSlot(camera.name, arrival) for camera in cameras}
    clock = SimulatedClock(frames, slots, rate)
    for ready in rounds(
        list(slots.values()),
        arrival,
        clock,
        together=lambda: together,
        max_rate=lambda: max_rate,
    ):
        taken = [slot.take() for slot in ready]
        clock.advance(segment([Taken(one.frame, clock.now() - one.time) for one in taken]))
    return {topic: slot.state.counts.dropped for topic, slot in slots.items()}
