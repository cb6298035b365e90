# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Computes statistics of recent durations and of arriving frames, for diagnostics."""

from __future__ import annotations

import threading
from collections import deque
from statistics import median
from typing import NamedTuple

from bisenet_ros.percentiles import Percentiles

_RECENT = 3
"""Number of periods over which arrivals are counted."""

_LONG = 60
"""Number of periods over which a camera's usual rate, the median, is computed."""

_MIN_COUNT = 10
"""Minimum number of frames to judge a rate or losses."""


class Durations:
    """Holds the last durations; one thread may add them while another reads the percentiles."""

    def __init__(self, size: int = 200) -> None:
        self._lock = threading.Lock()
        self._samples: deque[float] = deque(maxlen=size)

    def add(self, duration: float) -> None:
        """Adds one sample."""
        with self._lock:
            self._samples.append(duration)

    def clear(self) -> None:
        """Removes all samples."""
        with self._lock:
            self._samples.clear()

    def percentiles(self) -> Percentiles | None:
        """Returns the percentiles of the samples; None if there are none."""
        with self._lock:
            samples = list(self._samples)
        return Percentiles.of(samples) if samples else None


class _Recent(NamedTuple):
    """Arrivals over the last periods."""

    rate: float
    received: int
    lost: int


class Arrivals:
    """Detects whether far fewer frames arrive than are sent, or than before.

    The state begins below half of them and ends at nine tenths, so that it does not flap.

    Attributes:
        lossy: Whether most frames are lost on the way.
        slow: Whether the rate is lower than usual. After a minute, the new rate is the usual one.
    """

    def __init__(self) -> None:
        self._periods: deque[tuple[float, int, int]] = deque(maxlen=_RECENT)
        self._rates: deque[float] = deque(maxlen=_LONG)
        self.lossy = False
        self.slow = False

    def add(self, seconds: float, received: int, lost: int) -> None:
        """Adds the period that just ended."""
        if seconds <= 0:
            return
        if not received and not lost:
            # Silence is reported separately; counting starts again after it.
            if not self.lossy:
                self._periods.clear()
                self.slow = False
            return
        self._periods.append((seconds, received, lost))
        self._rates.append(received / seconds)
        recent, usual = self.recent, self.usual_rate
        sent = recent.received + recent.lost
        if sent >= _MIN_COUNT and recent.received:
            self.lossy = recent.received < sent * (0.9 if self.lossy else 0.5)
        if len(self._periods) == _RECENT:
            expected = usual * sum(seconds for seconds, *_ in self._periods)
            most = usual * (0.9 if self.slow else 0.5)
            self.slow = expected >= _MIN_COUNT and recent.rate < most

    @property
    def recent(self) -> _Recent:
        """Arrivals over the last periods."""
        seconds, received, lost = (sum(column) for column in zip(*self._periods, strict=True))
        return _Recent(received / seconds, int(received), int(lost))

    @property
    def usual_rate(self) -> float:
        """Median of the frames per second over a longer time."""
        return median(self._rates)
