# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Summarises durations by three percentiles, for diagnostics, replays and benchmarks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Percentiles(NamedTuple):
    """Three percentiles, in the unit of the samples."""

    p50: float
    p95: float
    p99: float

    @classmethod
    def of(cls, samples: Sequence[float]) -> Percentiles:
        """Computes them from one or more samples, interpolating linearly between two of them."""
        return cls(*np.percentile(samples, (50, 95, 99)).tolist())
