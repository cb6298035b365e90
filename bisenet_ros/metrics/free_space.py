# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How far the end of the free space lies from where it truly is, in pixels."""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt

from bisenet_ros.drivable import free_space_boundary


class FreeSpaceError:
    """Columns by the error of their free-space boundary.

    An error is the true boundary's row minus the row found: positive where more is called free
    than is (overreach), negative where less.
    """

    def __init__(self) -> None:
        self._columns: Counter[int] = Counter()

    def update(
        self,
        drivable: npt.NDArray[np.uint8],
        true_drivable: npt.NDArray[np.uint8],
        known: npt.NDArray[np.bool_],
    ) -> None:
        """Count the columns of one image whose true boundary is known.

        It is not where the free space of the truth ends at a pixel without a truth.

        Args:
            drivable: (H, W) mask, 0 or 255.
            true_drivable: (H, W) mask of the truth, 0 or 255.
            known: (H, W), where there is a truth.
        """
        found, true = free_space_boundary(drivable), free_space_boundary(true_drivable)
        blocking = np.maximum(true - 1, 0)  # the row that ends the free space
        counted = (true == 0) | known[blocking, np.arange(true.size)]
        errors, counts = np.unique((true - found)[counted], return_counts=True)
        self._columns.update(dict(zip(errors.tolist(), counts.tolist(), strict=True)))

    def add(self, other: FreeSpaceError) -> None:
        """Count the columns of another, too."""
        self._columns.update(other._columns)

    def mean(self) -> float:
        """Mean distance of the boundaries in pixels; NaN where no column was counted."""
        return self._mean({error: abs(error) for error in self._columns})

    def overreach(self) -> float:
        """Mean pixels by which more is called free than is; NaN where no column was counted."""
        return self._mean({error: max(error, 0) for error in self._columns})

    def p95(self) -> float:
        """The distance in pixels that 95 % of the columns keep within; NaN for no column."""
        seen, total = 0, self._columns.total()
        for error in sorted(self._columns, key=abs):
            seen += self._columns[error]
            if seen >= 0.95 * total:
                return float(abs(error))
        return float('nan')

    def _mean(self, values: dict[int, int]) -> float:
        total = self._columns.total()
        if not total:
            return float('nan')
        return sum(values[error] * count for error, count in self._columns.items()) / total
