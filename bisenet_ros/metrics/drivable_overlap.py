# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""IoU of the published drivable mask."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from bisenet_ros.label_space import LabelSpace
from bisenet_ros.metrics.confusion import Overlaps, iou
from bisenet_ros.metrics.metric import Figure, Frame, Metric


class DrivableOverlap(Metric):
    """Counts intersection and union of drivable mask and ground truth, where that is known."""

    def __init__(self, label_space: LabelSpace) -> None:
        super().__init__(label_space)
        self._counts = np.zeros(2, np.int64)

    def update(self, frame: Frame) -> None:
        predicted, true = (frame.drivable != 0) & frame.known, frame.true_drivable != 0
        self._counts += (np.count_nonzero(predicted & true), np.count_nonzero(predicted | true))

    def add(self, other: DrivableOverlap) -> None:
        self._counts += other._counts

    def iou(self) -> float:
        """Returns the IoU; NaN if nothing is drivable in either."""
        return float(iou(Overlaps(*self._counts[:, np.newaxis]))[0])

    def details(self) -> dict[str, Any]:
        return {'drivable_overlap': self._counts.tolist()}

    figures: ClassVar = {Figure('drivable_iou', 'drivable IoU'): iou}
