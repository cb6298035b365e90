# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Decides when which cameras' frames are segmented, on a vehicle and in a replay alike.

Frames are processed in rounds. A round begins when a camera has a frame and `max_rate` allows it.
It takes the newest frame of every camera, all in one batch or one after the other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from bisenet_ros.camera_slot import CameraSlot


class Clock(Protocol):
    """Real or simulated time."""

    def now(self) -> float:
        """Returns the time in seconds."""

    def wait(self, until: float | None) -> bool:
        """Waits until a frame may have arrived, or until a time.

        Args:
            until: Time in seconds; None to wait for a frame only.

        Returns:
            False if the work is to stop.
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
    """Yields the cameras whose newest frames are to be segmented now, in one inference.

    Args:
        slots: All cameras.
        arrival: The condition that every slot notifies.
        clock: Tells the time, and waits.
        together: Returns whether frames of several cameras currently form one batch.
        max_rate: Returns the current maximum of rounds per second; 0 for no limit.
        enabled: Returns whether frames are currently segmented.
    """
    started = -float('inf')

    def wait_for_frames() -> bool:
        """Waits for the next round; returns False if the work is to stop."""
        with arrival:  # no frame can arrive between the check and the wait
            while True:
                rate = max_rate()
                due = started + 1 / rate if rate > 0 else started
                paused = clock.now() < due
                if not paused and enabled() and any(slot.waiting for slot in slots):
                    return True
                if not clock.wait(due if paused else None):
                    return False

    while wait_for_frames():
        started = clock.now()
        for group in [list(slots)] if together() else [[slot] for slot in slots]:
            ready = [slot for slot in group if slot.waiting]
            if ready:
                yield ready
