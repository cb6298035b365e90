# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Decides when which cameras' frames are segmented, on a vehicle and in a replay alike.

Work goes in rounds. A round begins when a camera has a frame and `max_rate` allows it; in it comes
the newest frame of every camera, all in one batch or one after the other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from bisenet_ros.camera_slot import CameraSlot


class Clock(Protocol):
    """Time as it passes, or as it is simulated."""

    def now(self) -> float:
        """Seconds."""

    def wait(self, until: float | None) -> bool:
        """Return when a frame may have arrived, or at a time.

        Args:
            until: In seconds; None for whenever a frame arrives.

        Returns:
            False when it is time to stop.
        """


def rounds(
    slots: Sequence[CameraSlot],
    arrival: threading.Condition,
    clock: Clock,
    *,
    together: Callable[[], bool],
    max_rate: Callable[[], float],
    enabled: Callable[[], bool] = lambda: True,
) -> Iterator[list[CameraSlot]]:
    """The cameras whose newest frames are to be taken and segmented now, in one inference.

    Args:
        slots: All cameras.
        arrival: The condition that every slot notifies.
        clock: Tells the time, and waits.
        together: Whether frames of several cameras go in one batch at this moment.
        max_rate: Most rounds per second at this moment; 0 is no limit.
        enabled: Whether frames are to be segmented at all at this moment.
    """
    started = -float('inf')
    while _wait_for_frames(slots, arrival, clock, started, max_rate, enabled):
        started = clock.now()
        for group in [list(slots)] if together() else [[slot] for slot in slots]:
            ready = [slot for slot in group if slot.waiting]
            if ready:
                yield ready


def _wait_for_frames(
    slots: Sequence[CameraSlot],
    arrival: threading.Condition,
    clock: Clock,
    last_start: float,
    max_rate: Callable[[], float],
    enabled: Callable[[], bool],
) -> bool:
    """Return when the next round is to begin, True, or when it is time to stop, False."""
    with arrival:  # nothing arrives between a look and the wait that follows it
        while True:
            rate = max_rate()
            due = last_start + 1 / rate if rate > 0 else last_start
            paused = clock.now() < due
            if not paused and enabled() and any(slot.waiting for slot in slots):
                return True
            if not clock.wait(due if paused else None):
                return False
