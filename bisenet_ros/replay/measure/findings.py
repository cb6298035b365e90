# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What was found in a frame, be it by the segmenter here or by a running node."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from bisenet_ros.label_space import LabelSpace


class Findings(Protocol):
    """What `Segmentation` and `RecordedOutput` have in common: arrays of (H, W) uint8.

    Attributes:
        label_space: What the ids mean.
    """

    @property
    def labels(self) -> npt.NDArray[np.uint8]:
        """Class ids, `IGNORE` where there is none."""

    @property
    def drivable(self) -> npt.NDArray[np.uint8]:
        """255 where the vehicle may drive, else 0."""

    @property
    def confidence(self) -> npt.NDArray[np.uint8]:
        """The softmax maximum times 255."""

    @property
    def label_space(self) -> LabelSpace: ...
