# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Statistics of recent durations, for diagnostics."""

from __future__ import annotations

import threading
from collections import deque
from typing import NamedTuple

import numpy as np


class Percentiles(NamedTuple):
    """The usual three, in the unit of the samples."""

    p50: float
    p95: float
    p99: float


class Durations:
    """The last durations; added by one thread, summarised by another."""

    def __init__(self, size: int = 200) -> None:
        self._lock = threading.Lock()
        self._samples: deque[float] = deque(maxlen=size)

    def add(self, duration: float) -> None:
        """Take in one sample."""
        with self._lock:
            self._samples.append(duration)

    def clear(self) -> None:
        """Forget every sample."""
        with self._lock:
            self._samples.clear()

    def percentiles(self) -> Percentiles | None:
        """What the samples look like; None without any."""
        with self._lock:
            samples = list(self._samples)
        return Percentiles(*np.percentile(samples, (50, 95, 99)).tolist()) if samples else None
