# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The result of a segmented frame: labels, confidence, anomaly and drivable area."""

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

    Change copies of the arrays only: the mask and the area are computed when they are first asked
    for, from the other arrays.

    Attributes:
        labels: (H, W) uint8 class ids; `IGNORE` where the confidence is too low or the anomaly too
            high.
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
        min_anomaly: int = 0,
    ) -> None:
        """
        Args:
            drawn: The labels as the device draws them.
            label_space: See the attribute.
            min_drivable_area: Drivable components of a smaller fraction of the frame are dropped.
            ego: See the attribute.
            min_anomaly: Pixels with at least this anomaly are not labelled; 0 labels all.
        """
        self._drawn = drawn
        self._min_drivable_area = min_drivable_area
        self.label_space = label_space
        self.ego = ego
        self._vehicle = None  # (H, W), 255 where the vehicle itself is
        if ego is not None:
            self._vehicle = ego.view(np.uint8) * np.uint8(255)
        self.labels = drawn.labels
        self._unknown = None  # (H, W), 255 where the anomaly is too high
        if min_anomaly > 0 and self.anomaly is not None:
            _, self._unknown = cv2.threshold(self.anomaly, min_anomaly - 1, 255, cv2.THRESH_BINARY)
            self.labels = np.asarray(cv2.bitwise_or(self.labels, self._unknown), np.uint8)
        if self._vehicle is not None:
            self.labels = np.asarray(cv2.bitwise_or(self.labels, self._vehicle), np.uint8)  # IGNORE

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
        mask = self._outside(self._drawn.drivable)
        if self._unknown is not None:
            mask = np.asarray(cv2.subtract(mask, self._unknown), np.uint8)
        return without_small_areas(mask, self._min_drivable_area)

    @cached_property
    def anomaly(self) -> npt.NDArray[np.uint8] | None:
        """(H, W) how unlike any known class, 0 to 255; None if the checkpoint cannot tell."""
        anomaly = self._drawn.anomaly
        return None if anomaly is None else self._outside(anomaly)

    @property
    def mean_confidence(self) -> float:
        """Mean confidence of the frame without the vehicle itself, 0 to 1; 0 if nothing is left."""
        outside = None if self._vehicle is None else cv2.bitwise_not(self._vehicle)
        return cv2.mean(self._drawn.confidence, outside)[0] / 255

    @cached_property
    def area(self) -> DrivableArea:
        """Measurements of the drivable mask."""
        return measure_area(self.drivable, self.confidence, self.ego)

    def _outside(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Sets the pixels of the vehicle itself to 0."""
        if self._vehicle is None:
            return image
        return np.asarray(cv2.subtract(image, self._vehicle), np.uint8)  # saturates at 0
