# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which CameraInfo belongs to which frame: the one of exactly its stamp."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any


class CameraInfoMatcher:
    """Pairs a frame with the CameraInfo of exactly its stamp, whichever of the two is first.

    An info may arrive before its frame is segmented (the rule) or after (a fast device). Both
    sides are remembered for the last `depth` stamps: by default those of the many seconds that a
    slow device may take for a frame while the camera goes on.
    """

    def __init__(self, depth: int = 1024) -> None:
        self._depth = depth
        self._lock = threading.Lock()
        self._infos: OrderedDict[tuple[int, int], Any] = OrderedDict()
        self._awaited: OrderedDict[tuple[int, int], None] = OrderedDict()

    def arrived(self, info: Any) -> Any:
        """Take in an info; returns it if its frame has already gone out, else None."""
        with self._lock:
            stamp = _stamp(info)
            if stamp in self._awaited:
                del self._awaited[stamp]
                return info
            self._remember(self._infos, stamp, info)
            return None

    def match(self, message: Any) -> Any:
        """The info of a frame that goes out now, or None; in that case `arrived` gives it later."""
        with self._lock:
            stamp = _stamp(message)
            if stamp in self._infos:
                return self._infos.pop(stamp)
            self._remember(self._awaited, stamp, None)
            return None

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._infos.clear()
            self._awaited.clear()

    def _remember(
        self, entries: OrderedDict[tuple[int, int], Any], stamp: tuple[int, int], value: Any
    ) -> None:
        entries[stamp] = value
        while len(entries) > self._depth:
            entries.popitem(last=False)


def _stamp(message: Any) -> tuple[int, int]:
    stamp = message.header.stamp
    return stamp.sec, stamp.nanosec
