# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Creates frames for metrics from the fields that a test needs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bisenet_ros.label_space import IGNORE, LabelSpace
from bisenet_ros.metrics import Frame

Pixels = npt.NDArray[np.uint8]


def classes(count: int) -> LabelSpace:
    """Returns a label space of `count` classes, of which the first is drivable."""
    names = tuple(f'class {index}' for index in range(count))
    return LabelSpace(names, tuple((index, 0, 0) for index in range(count)), names[:1])


def labelled(labels: Pixels, truth: Pixels, confidence: Pixels | None = None) -> Frame:
    """Returns a frame with labels and ground truth, (H, W)."""
    image = np.zeros((*labels.shape, 3), np.uint8)
    return Frame(classes(5), image, labels, np.zeros_like(labels), confidence, truth)


def masked(drivable: Pixels, true_drivable: Pixels, known: npt.NDArray[np.bool_]) -> Frame:
    """Returns a frame with both drivable masks, (H, W) of 0 and 255; truth only where `known`."""
    truth = np.where(known, np.where(true_drivable == 255, 0, 1), IGNORE).astype(np.uint8)
    image = np.zeros((*truth.shape, 3), np.uint8)
    return Frame(classes(5), image, truth, drivable, truth=truth)


def watched(image: Pixels, labels: Pixels, previous: Frame | None = None) -> Frame:
    """Returns a frame with image and labels, and the previous frame."""
    return Frame(classes(5), image, labels, np.zeros_like(labels), previous=previous)
