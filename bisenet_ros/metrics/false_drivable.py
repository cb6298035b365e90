# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""False drivable rate: area that is labelled drivable but is not, the most dangerous error."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from bisenet_ros.label_space import LabelSpace
from bisenet_ros.metrics.metric import Figure, Frame, Metric


class FalseDrivable(Metric):
    """Counts pixels labelled drivable, and how many are not, where there is ground truth."""

    def __init__(self, label_space: LabelSpace) -> None:
        super().__init__(label_space)
        # All pixels, and pixels weighted by their row.
        self._predicted = np.zeros(2)
        self._false = np.zeros(2)

    def update(self, frame: Frame) -> None:
        predicted = (frame.drivable != 0) & frame.known
        false = predicted & (frame.true_drivable == 0)
        for counts, pixels in ((self._predicted, predicted), (self._false, false)):
            rows = pixels.sum(axis=1)  # (H,)
            # Near objects are low in the image: weight 0 at the top edge to 1 at the bottom edge.
            weights = (np.arange(rows.size) + 0.5) / rows.size
            counts += (rows.sum(), float(rows @ weights))

    def add(self, other: FalseDrivable) -> None:
        self._predicted += other._predicted
        self._false += other._false

    def rate(self) -> float:
        """Returns the fraction of pixels labelled drivable that are not; NaN if none is."""
        return self._share(0)

    def near_rate(self) -> float:
        """Returns `rate` with pixels weighted by row: 0 at the top edge, 1 at the bottom edge."""
        return self._share(1)

    def _share(self, which: int) -> float:
        predicted = float(self._predicted[which])
        return float(self._false[which]) / predicted if predicted else float('nan')

    figures: ClassVar = {
        Figure('false_drivable_rate', 'false drivable', better='lower'): rate,
        Figure(
            'false_drivable_near_rate', 'false drivable, near', better='lower', per_frame=False
        ): near_rate,
    }
