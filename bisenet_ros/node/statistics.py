# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Computes statistics of recent durations, for diagnostics."""

from __future__ import annotations

import threading
from collections import deque

from bisenet_ros.percentiles import Percentiles


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
