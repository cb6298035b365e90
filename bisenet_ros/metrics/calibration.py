# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Calibration: are 80 % of the pixels with a confidence of 0.8 labelled correctly?"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np

from bisenet_ros.label_space import IGNORE, LabelSpace
from bisenet_ros.metrics.metric import Figure, Frame, Metric

BINS = 15
"""Bins of equal width, as calibration errors are usually reported."""


class Bin(NamedTuple):
    """The pixels whose confidence lies in one interval.

    Attributes:
        confidence: Their mean confidence, 0 to 1.
        accuracy: Fraction of them with the correct label.
        pixels: Number of pixels.
    """

    confidence: float
    accuracy: float
    pixels: int


class Calibration(Metric):
    """Counts pixels, and correctly labelled pixels, by confidence.

    Pixels without ground truth or label do not count, nor do frames without confidence.
    """

    def __init__(self, label_space: LabelSpace) -> None:
        super().__init__(label_space)
        self._pixels = np.zeros(256, np.int64)
        self._right = np.zeros(256, np.int64)

    def update(self, frame: Frame) -> None:
        if frame.confidence is None:
            return
        confidence, labels, truth = frame.confidence, frame.labels, frame.true_labels
        counted = (truth != IGNORE) & (labels != IGNORE)
        self._pixels += np.bincount(confidence[counted], minlength=256)
        self._right += np.bincount(confidence[counted & (labels == truth)], minlength=256)

    def add(self, other: Calibration) -> None:
        self._pixels += other._pixels
        self._right += other._right

    def curve(self) -> list[Bin]:
        """Returns the reliability diagram: non-empty bins by ascending confidence."""
        levels = np.arange(256)
        bins = levels * BINS // 256
        curve = []
        for index in range(BINS):
            inside = bins == index
            pixels = int(self._pixels[inside].sum())
            if pixels:
                confidence = float((levels * self._pixels)[inside].sum()) / 255 / pixels
                curve.append(Bin(confidence, int(self._right[inside].sum()) / pixels, pixels))
        return curve

    def ece(self) -> float:
        """Returns the expected calibration error: mean |accuracy - confidence| over all pixels.

        0 is perfect; NaN if nothing was counted.
        """
        curve = self.curve()
        total = sum(pixels for _, _, pixels in curve)
        if not total:
            return float('nan')
        return sum(abs(bin.accuracy - bin.confidence) * bin.pixels for bin in curve) / total

    def details(self) -> dict[str, Any]:
        return {'calibration': [bin._asdict() for bin in self.curve()]}

    figures: ClassVar = {Figure('ece', 'calibration error', better='lower', per_frame=False): ece}
