# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The error that hurts: what is called drivable and is not."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


class FalseDrivable:
    """Pixels called drivable whose truth is known, and those of them that are not drivable."""

    def __init__(self) -> None:
        # All pixels, and pixels weighted by their row.
        self._called = np.zeros(2)
        self._false = np.zeros(2)

    def update(
        self,
        drivable: npt.NDArray[np.uint8],
        true_drivable: npt.NDArray[np.uint8],
        known: npt.NDArray[np.bool_],
    ) -> None:
        """Count one image.

        Args:
            drivable: (H, W) mask, 0 or 255.
            true_drivable: (H, W) mask of the truth, 0 or 255.
            known: (H, W), where there is a truth.
        """
        called = (drivable != 0) & known
        false = called & (true_drivable == 0)
        for counts, pixels in ((self._called, called), (self._false, false)):
            rows = pixels.sum(axis=1)  # (H,)
            # What is near lies low in the image: from 0 at the top edge to 1 at the bottom edge.
            weights = (np.arange(rows.size) + 0.5) / rows.size
            counts += (rows.sum(), float(rows @ weights))

    def add(self, other: FalseDrivable) -> None:
        """Count the images of another, too."""
        self._called += other._called
        self._false += other._false

    def rate(self) -> float:
        """Share of what is called drivable that is not; NaN where nothing is called so."""
        return self._share(0)

    def near_rate(self) -> float:
        """As `rate`, each pixel weighted by its row: 0 at the top edge, 1 at the bottom edge."""
        return self._share(1)

    def _share(self, which: int) -> float:
        called = float(self._called[which])
        return float(self._false[which]) / called if called else float('nan')
