# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From settings to data sets."""

from __future__ import annotations

from bisenet_training.datasets.base import Dataset
from bisenet_training.datasets.camvid import open_camvid
from bisenet_training.datasets.cityscapes import open_cityscapes
from bisenet_training.datasets.settings import (
    CamvidSettings,
    CityscapesSettings,
    DatasetSettings,
    SyntheticSettings,
)
from bisenet_training.datasets.synthetic import SyntheticFrames


def open_dataset(settings: DatasetSettings) -> Dataset:
    """Find the files of a data set; no image is read yet.

    Raises:
        DatasetError: A folder is missing or empty, or a file has no counterpart.
    """
    match settings:
        case CamvidSettings():
            return open_camvid(settings.root, settings.split)
        case CityscapesSettings():
            return open_cityscapes(settings.root, settings.split, settings.labels)
        case SyntheticSettings():
            return SyntheticFrames(settings.frames, settings.first_seed, settings.size)
