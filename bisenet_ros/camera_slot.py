# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Holds the newest frame of a camera for the worker, and counts what became of the others.

Nothing here knows ROS: a message is whatever has a `header` with a `stamp`.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class FrameCounts:
    """What became of a camera's frames since the node was activated.

    Attributes:
        received: Frames that arrived.
        published: Frames that were segmented and published.
        dropped: Frames that a newer one replaced, or that a failing device lost.
        malformed: Frames that could not be decoded.
        lost: Frames that were sent, but got lost before they arrived, as far as is known.
    """

    received: int = 0
    published: int = 0
    dropped: int = 0
    malformed: int = 0
    lost: int = 0


@dataclass(frozen=True)
class CameraState:
    """What diagnostics want to know of a camera at one moment; times are `time.monotonic()`.

    Attributes:
        counts: What became of its frames.
        last_received: When the last frame arrived; None before the first.
        last_error: Why the last malformed frame was refused; empty before the first.
    """

    counts: FrameCounts = FrameCounts()
    last_received: float | None = None
    last_error: str = ''


class CameraSlot:
    """Holds the newest frame of one camera; an older one that nobody took is dropped.

    Every slot of a node shares one condition, so that the worker can wait for all of them.
    """

    def __init__(self, name: str, arrival: threading.Condition) -> None:
        self.name = name
        self._arrival = arrival
        self._message: Any = None
        self._state = CameraState()

    @property
    def label(self) -> str:
        """The camera in a sentence for a user."""
        return f'camera {self.name}' if self.name else 'camera'

    @property
    def prefix(self) -> str:
        """What the camera's topics begin with."""
        return f'{self.name}/' if self.name else ''

    @property
    def state(self) -> CameraState:
        """A consistent snapshot."""
        with self._arrival:
            return self._state

    @property
    def waiting(self) -> bool:
        """Whether there is a frame to take."""
        with self._arrival:
            return self._message is not None

    def put(self, message: Any, now: float) -> None:
        """Keep the newest frame, and wake whoever waits for one."""
        with self._arrival:
            dropped = int(self._message is not None)
            self._message = message
            self._count(received=1, dropped=dropped)
            self._state = replace(self._state, last_received=now)
            self._arrival.notify_all()

    def take(self) -> Any:
        """The newest frame, which is then the caller's; None where there is none."""
        with self._arrival:
            message, self._message = self._message, None
            return message

    def clear(self) -> None:
        """Forget the frame and every count."""
        with self._arrival:
            self._message = None
            self._state = CameraState()

    def count_published(self) -> FrameCounts:
        """One frame's results are out."""
        with self._arrival:
            return self._count(published=1)

    def count_dropped(self) -> None:
        """One frame that was taken got lost."""
        with self._arrival:
            self._count(dropped=1)

    def count_malformed(self, reason: str) -> None:
        """One frame could not be decoded."""
        with self._arrival:
            self._count(malformed=1)
            self._state = replace(self._state, last_error=reason)

    def count_lost(self, number: int) -> None:
        """Frames were sent, but got lost on the way."""
        with self._arrival:
            self._count(lost=number)

    def _count(
        self,
        *,
        received: int = 0,
        published: int = 0,
        dropped: int = 0,
        malformed: int = 0,
        lost: int = 0,
    ) -> FrameCounts:
        counts = self._state.counts
        counts = FrameCounts(
            received=counts.received + received,
            published=counts.published + published,
            dropped=counts.dropped + dropped,
            malformed=counts.malformed + malformed,
            lost=counts.lost + lost,
        )
        self._state = replace(self._state, counts=counts)
        return counts
