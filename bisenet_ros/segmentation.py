# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The result of a segmented frame: labels, confidence and drivable area."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from bisenet_ros.drivable import DrivableArea, measure_area, without_small_areas
from bisenet_ros.label_space import LabelSpace

if TYPE_CHECKING:  # imports torch, which reading recorded labels does not need
    from bisenet_ros.engine.labels import Labels


class Segmentation:
    """The segmentation of one frame, at the frame's size or at `output_size`.

    Attributes:
        labels: (H, W) uint8 class ids; `IGNORE` where the confidence is below the threshold.
        label_space: The classes, and which of them are drivable.
        ego: (H, W) bool, where the vehicle itself is: not labelled, not drivable, confidence 0;
            None without an ego mask.
    """

    def __init__(
        self,
        drawn: Labels,
        label_space: LabelSpace,
        min_drivable_area: float,
        ego: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        self._drawn = drawn
        self._min_drivable_area = min_drivable_area
        self.label_space = label_space
        self.ego = ego
        self._white = None if ego is None else ego.view(np.uint8) * np.uint8(255)
        self.labels = drawn.labels
        if self._white is not None:
            self.labels = np.asarray(cv2.bitwise_or(drawn.labels, self._white), np.uint8)  # IGNORE

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of labels, confidence and mask."""
        height, width = self.labels.shape
        return width, height

    @cached_property
    def confidence(self) -> npt.NDArray[np.uint8]:
        """(H, W) softmax probability of the best class times 255, also where not labelled."""
        return self._outside(self._drawn.confidence)

    @cached_property
    def drivable(self) -> npt.NDArray[np.uint8]:
        """(H, W), 255 where the vehicle may drive, else 0."""
        return without_small_areas(self._outside(self._drawn.drivable), self._min_drivable_area)

    @cached_property
    def area(self) -> DrivableArea:
        """Measurements of the drivable mask."""
        return measure_area(self.drivable, self.confidence, self.ego)

    def _outside(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Sets the pixels of the vehicle itself to 0."""
        if self._white is None:
            return image
        return np.asarray(cv2.subtract(image, self._white), np.uint8)  # saturates at 0
