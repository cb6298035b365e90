# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Error of the free-space boundary, in pixels per image column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import ClassVar

import numpy as np

from bisenet_ros.drivable import free_space_boundary
from bisenet_ros.label_space import LabelSpace
from bisenet_ros.metrics.metric import Figure, Frame, Metric, quantile


class FreeSpaceError(Metric):
    """Counts image columns by the error of their free-space boundary.

    The error is the true row minus the predicted row: positive if too much is predicted as free
    (overreach), negative if too little. A column does not count if its true free space ends at a
    pixel without ground truth.
    """

    def __init__(self, label_space: LabelSpace) -> None:
        super().__init__(label_space)
        self._columns: Counter[int] = Counter()

    def update(self, frame: Frame) -> None:
        true_drivable, ego = frame.true_drivable, frame.ego
        found = free_space_boundary(frame.drivable, ego)
        true = free_space_boundary(true_drivable, ego)
        open_until = true
        if ego is not None:  # the vehicle itself blocks nothing
            open_until = free_space_boundary(np.where(ego, np.uint8(255), true_drivable))
        blocking = np.maximum(open_until - 1, 0)  # the row that ends the free space
        counted = (open_until == 0) | frame.known[blocking, np.arange(true.size)]
        errors, counts = np.unique((true - found)[counted], return_counts=True)
        self._columns.update(dict(zip(errors.tolist(), counts.tolist(), strict=True)))

    def add(self, other: FreeSpaceError) -> None:
        self._columns.update(other._columns)

    def mean(self) -> float:
        """Returns the mean absolute error in pixels; NaN if no column was counted."""
        return self._mean(abs)

    def overreach(self) -> float:
        """Returns the mean error in pixels, with negative errors as 0; NaN without columns."""
        return self._mean(lambda error: max(error, 0))

    def p95(self) -> float:
        """Returns the 95th percentile of the absolute error in pixels; NaN without columns."""
        sizes: Counter[int] = Counter()
        for error, count in self._columns.items():
            sizes[abs(error)] += count
        return quantile(sizes, 0.95)

    def _mean(self, size: Callable[[int], int]) -> float:
        total = self._columns.total()
        if not total:
            return float('nan')
        return sum(size(error) * count for error, count in self._columns.items()) / total

    figures: ClassVar = {
        Figure('free_space_error_px', 'free-space error', 'px', 'lower'): mean,
        Figure(
            'free_space_error_p95_px', 'free-space error, p95', 'px', 'lower', per_frame=False
        ): p95,
        Figure(
            'free_space_overreach_px', 'free-space overreach', 'px', 'lower', per_frame=False
        ): overreach,
    }
