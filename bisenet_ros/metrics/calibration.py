# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whether a confidence means what it says: of the pixels at 0.8, are 80 % right?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bisenet_ros.label_space import IGNORE

BINS = 15
"""Bins of equal width, as calibration errors are usually reported."""


class Bin(NamedTuple):
    """The pixels whose confidence lies in one interval.

    Attributes:
        confidence: Their mean confidence, 0 to 1.
        accuracy: Share of them that is labelled rightly.
        pixels: How many.
    """

    confidence: float
    accuracy: float
    pixels: int


class Calibration:
    """Pixels, and rightly labelled pixels, by confidence.

    Pixels without a truth or without a label do not count.
    """

    def __init__(self) -> None:
        self._pixels = np.zeros(256, np.int64)
        self._right = np.zeros(256, np.int64)

    def update(
        self,
        confidence: npt.NDArray[np.uint8],
        labels: npt.NDArray[np.uint8],
        truth: npt.NDArray[np.uint8],
    ) -> None:
        """Count one image; all (H, W), confidence 0 to 255, the others class ids or `IGNORE`."""
        counted = (truth != IGNORE) & (labels != IGNORE)
        self._pixels += np.bincount(confidence[counted], minlength=256)
        self._right += np.bincount(confidence[counted & (labels == truth)], minlength=256)

    def add(self, other: Calibration) -> None:
        """Count the images of another, too."""
        self._pixels += other._pixels
        self._right += other._right

    def curve(self) -> list[Bin]:
        """The reliability diagram: the bins that have pixels, by rising confidence."""
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
        """Expected calibration error: mean distance of accuracy and confidence over all pixels.

        0 is perfect; NaN where nothing was counted.
        """
        curve = self.curve()
        total = sum(pixels for _, _, pixels in curve)
        if not total:
            return float('nan')
        return sum(abs(bin.accuracy - bin.confidence) * bin.pixels for bin in curve) / total
