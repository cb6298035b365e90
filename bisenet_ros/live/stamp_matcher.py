# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Groups messages by stamp."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar('T')


class StampMatcher(Generic[T]):
    """Collects one message per topic and stamp, in any order of arrival.

    Args:
        topics: The topics of a complete group.
        depth: Number of incomplete stamps to keep; the oldest is discarded first.
    """

    def __init__(self, topics: tuple[str, ...], depth: int = 100) -> None:
        self._topics = topics
        self._depth = depth
        self._waiting: OrderedDict[int, dict[str, T]] = OrderedDict()

    def add(self, topic: str, stamp: int, message: T) -> dict[str, T] | None:
        """Adds a message; returns and forgets all messages of its stamp once they are complete."""
        found = self._waiting.setdefault(stamp, {})
        found[topic] = message
        if len(found) == len(self._topics):
            return self._waiting.pop(stamp)
        if len(self._waiting) > self._depth:
            self._waiting.popitem(last=False)
        return None
