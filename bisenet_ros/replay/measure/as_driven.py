# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames as the node would have taken them: they arrive as recorded, and the newest wins.

Time is simulated. What the node does is run and measured, and the clock goes on by that; waiting
for the next frame takes no time, and what only the evaluation needs (figures, pictures) does not
make the node late. The order of work is the node's own (`bisenet_ros.rounds`).
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
        time: Seconds since the first frame, when it arrived.
    """

    frame: RecordedFrame
    time: float


class SimulatedClock:
    """Time that goes on by being told so; frames arrive in their slots meanwhile.

    Args:
        frames: In the order in which they arrive.
        slots: By image topic.
        rate: How many times as fast as they were recorded frames arrive.
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
        """See `rounds.Clock`: it is time to stop when no frame is left to wait for."""
        if until is not None and (self._next is None or until < self._next.time):
            self._now = until
            return True
        if self._next is None:
            return False
        self._go_on(max(self._now, self._next.time))
        return True

    def advance(self, seconds: float) -> None:
        """Let time go by."""
        self._go_on(self._now + seconds)

    def _go_on(self, now: float) -> None:
        self._now = now
        # Frames that arrive at the very moment are there.
        while self._next is not None and self._next.time <= self._now:
            self._slots[self._next.frame.camera.image_topic].put(self._next, self._next.time)
            self._next = next(self._arriving, None)

    @staticmethod
    def _timed(frames: Iterable[RecordedFrame], rate: float) -> Iterator[Arrived]:
        first: int | None = None
        for frame in frames:
            # Not by the stamps, which may all be the same, or jump.
            first = frame.received if first is None else first
            yield Arrived(frame, (frame.received - first) / 1e9 / rate)


def replay_as_driven(
    frames: Iterable[RecordedFrame],
    cameras: Sequence[Camera],
    rate: float,
    work: Callable[[Sequence[Taken]], float],
    *,
    together: bool,
    max_rate: float,
) -> dict[str, int]:
    """Hand on the newest frame of every camera that has one, whenever the worker is free.

    Args:
        frames: In the order in which they arrive.
        cameras: Whose frames they are.
        rate: How many times as fast as they were recorded they arrive.
        work: Does what the node does with frames of several cameras, in one inference; returns the
            seconds that the node is busy with it.
        together: Whether frames of several cameras are segmented in one inference.
        max_rate: Most rounds per second; 0 is no limit.

    Returns:
        Frames that a newer one replaced, by image topic.
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
        clock.advance(work([Taken(one.frame, clock.now() - one.time) for one in taken]))
    return {topic: slot.state.counts.dropped for topic, slot in slots.items()}
