# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Error of the free-space distance, in metres on the ground."""

from __future__ import annotations

from collections import Counter
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from bisenet_ros.label_space import LabelSpace
from bisenet_ros.metrics.metric import Figure, Frame, Metric, nan_to_none, quantile

DISTANCES = ((0, 5), (5, 10), (10, 20))
"""Intervals of the distance from `base_frame` for which errors are reported, metres."""

_STEP = 100  # errors are counted in centimetres


class RangeErrors:
    """Counts bearings by the error of their range, and by their true range."""

    def __init__(self) -> None:
        self._counts: dict[tuple[int, int], Counter[int]] = {one: Counter() for one in DISTANCES}

    def update(
        self, found: npt.NDArray[np.floating[Any]], true: npt.NDArray[np.floating[Any]]
    ) -> None:
        """Counts bearings.

        Args:
            found: (N,) metres.
            true: (N,) metres; NaN if unknown. Bearings beyond all of `DISTANCES` do not count.
        """
        errors = np.abs(found - true)
        for (low, high), counts in self._counts.items():
            inside = errors[(true >= low) & (true < high)]
            values, times = np.unique(np.rint(inside * _STEP), return_counts=True)
            counts.update(dict(zip(values.astype(int).tolist(), times.tolist(), strict=True)))

    def add(self, other: RangeErrors) -> None:
        """Adds the counts of another one."""
        for distance, counts in self._counts.items():
            counts.update(other._counts[distance])

    def quantile(self, share: float, distance: tuple[int, int] | None = None) -> float:
        """Returns a quantile of the error in metres; NaN if no bearing was counted.

        Args:
            share: The quantile, 0 to 1.
            distance: One of `DISTANCES`; None for all of them.
        """
        counts: Counter[int] = Counter()
        for one, of_distance in self._counts.items():
            if distance in (None, one):
                counts.update(of_distance)
        return quantile(counts, share) / _STEP

    def count(self, distance: tuple[int, int]) -> int:
        """Returns the number of bearings that were counted at one of `DISTANCES`."""
        return self._counts[distance].total()


class FreeSpaceRangeError(Metric):
    """Compares the scans of the drivable mask and of the true mask, bearing by bearing.

    Without a contact, the range is the largest that the scan can have. A bearing does not count if
    the camera does not see it, or if its first contact in the ground truth is a pixel without
    ground truth.
    """

    def __init__(self, label_space: LabelSpace) -> None:
        super().__init__(label_space)
        self._errors = RangeErrors()

    def update(self, frame: Frame) -> None:
        ground = frame.ground
        if ground is None:
            return
        farthest = ground.scan_range_max
        true_mask = frame.true_drivable
        found, true, optimistic = (
            np.minimum(ground.scan(mask), farthest)  # NaN stays NaN
            for mask in (
                frame.drivable,
                true_mask,
                np.where(frame.known, true_mask, np.uint8(255)),
            )
        )
        self._errors.update(found, np.where(true == optimistic, true, np.nan))

    def add(self, other: FreeSpaceRangeError) -> None:
        self._errors.add(other._errors)

    def details(self) -> dict[str, Any]:
        """Returns the errors by distance; empty if nothing was counted."""
        counted = {one: count for one in DISTANCES if (count := self._errors.count(one))}
        if not counted:
            return {}
        return {
            'free_space_error_m_by_distance': {
                f'{low}-{high}': {
                    'bearings': count,
                    'median': nan_to_none(self._errors.quantile(0.5, (low, high))),
                    'p95': nan_to_none(self._errors.quantile(0.95, (low, high))),
                }
                for (low, high), count in counted.items()
            }
        }

    def median(self) -> float:
        """Returns the median error in metres; NaN if no bearing was counted."""
        return self._errors.quantile(0.5)

    def p95(self) -> float:
        """Returns the 95th percentile of the error in metres; NaN if no bearing was counted."""
        return self._errors.quantile(0.95)

    figures: ClassVar = {
        Figure('free_space_error_m', 'free-space error on the ground', 'm', 'lower'): median,
        Figure(
            'free_space_error_p95_m',
            'free-space error on the ground, p95',
            'm',
            'lower',
            per_frame=False,
        ): p95,
    }
