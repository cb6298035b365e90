# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Holds the newest frame of a camera for the worker, and counts received and dropped frames.

This module does not depend on ROS. A message may be any object.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class FrameCounts:
    """Counts of a camera's frames since the node was activated.

    Attributes:
        received: Frames that arrived.
        published: Frames that were segmented and published.
        dropped: Frames replaced by a newer one, or lost to a device failure.
        malformed: Frames that could not be decoded.
        lost: Frames that the middleware reported as lost on the way.
    """

    received: int = 0
    published: int = 0
    dropped: int = 0
    malformed: int = 0
    lost: int = 0

    def plus(self, **more: int) -> FrameCounts:
        """Returns the counts with some of them increased."""
        return replace(self, **{name: getattr(self, name) + count for name, count in more.items()})

    def since(self, earlier: FrameCounts) -> FrameCounts:
        """Returns how much they have increased since an earlier state."""
        return self.plus(**{name: -count for name, count in vars(earlier).items()})


@dataclass(frozen=True)
class CameraState:
    """A snapshot of a camera for diagnostics; times are `time.monotonic()`.

    Attributes:
        counts: Its frame counts.
        last_received: Time of the last arrival; None before the first frame.
        last_error: Why the last malformed frame was refused; empty before the first one.
        first_refused: Time of the first malformed frame after the last decoded one; None if the
            last frame was decoded.
        last_refused: Time of the last malformed frame.
    """

    counts: FrameCounts = FrameCounts()
    last_received: float | None = None
    last_error: str = ''
    first_refused: float | None = None
    last_refused: float = 0.0

    @property
    def refused_for(self) -> float:
        """Seconds over which every frame was malformed, up to the last one; 0 for a single one."""
        return 0.0 if self.first_refused is None else self.last_refused - self.first_refused


class CameraSlot:
    """Holds the newest frame of one camera; an older frame that was not taken is dropped.

    All slots of a node share one condition, so that the worker can wait for all of them.
    """

    def __init__(self, name: str, arrival: threading.Condition) -> None:
        self.name = name
        self._arrival = arrival
        self._message: Any = None
        self._state = CameraState()

    @property
    def label(self) -> str:
        """The camera's name in messages for users."""
        return f'camera {self.name}' if self.name else 'camera'

    @property
    def state(self) -> CameraState:
        """A consistent snapshot."""
        with self._arrival:
            return self._state

    @property
    def waiting(self) -> bool:
        """Whether a frame can be taken."""
        with self._arrival:
            return self._message is not None

    def put(self, message: Any, now: float) -> None:
        """Stores the newest frame and wakes the threads that wait for one."""
        with self._arrival:
            dropped = int(self._message is not None)
            self._message = message
            self._count(received=1, dropped=dropped)
            self._state = replace(self._state, last_received=now)
            self._arrival.notify_all()

    def take(self) -> Any:
        """Removes and returns the newest frame; None if there is none."""
        with self._arrival:
            message, self._message = self._message, None
            return message

    def clear(self) -> None:
        """Removes the frame and resets the counts."""
        with self._arrival:
            self._message = None
            self._state = CameraState()

    def count_published(self) -> FrameCounts:
        """Counts one published frame; returns the new counts."""
        with self._arrival:
            return self._count(published=1)

    def count_dropped(self) -> None:
        """Counts one frame that was taken but not published."""
        with self._arrival:
            self._count(dropped=1)

    def count_malformed(self, reason: str, now: float) -> None:
        """Counts one frame that could not be decoded."""
        with self._arrival:
            self._count(malformed=1)
            first = self._state.first_refused
            self._state = replace(
                self._state,
                last_error=reason,
                first_refused=now if first is None else first,
                last_refused=now,
            )

    def note_decoded(self) -> None:
        """Notes that a frame could be decoded."""
        with self._arrival:
            self._state = replace(self._state, first_refused=None)

    def count_lost(self, number: int) -> None:
        """Counts frames that were lost on the way."""
        with self._arrival:
            self._count(lost=number)

    def _count(self, **more: int) -> FrameCounts:
        """Increases counts; the caller holds the condition."""
        self._state = replace(self._state, counts=self._state.counts.plus(**more))
        return self._state.counts
