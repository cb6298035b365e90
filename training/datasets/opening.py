# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From settings to data sets."""

from __future__ import annotations

from bisenet_training.datasets.base import Dataset
from bisenet_training.datasets.camvid import open_camvid
from bisenet_training.datasets.cityscapes import open_cityscapes
from bisenet_training.datasets.coco_stuff import open_coco_stuff, open_coco_stuff_10k
from bisenet_training.datasets.pairs import open_pair_list, open_pairs
from bisenet_training.datasets.settings import (
    CamvidSettings,
    CityscapesSettings,
    CocoStuff10kSettings,
    CocoStuffSettings,
    DatasetSettings,
    PairListSettings,
    PairsSettings,
    SyntheticSettings,
)
from bisenet_training.datasets.synthetic import SyntheticFrames


def open_dataset(settings: DatasetSettings) -> Dataset:
    """Find the files of a data set; no image is read yet.

    Raises:
        UserError: A label map is wrong, a folder is missing or empty, or a file has no counterpart.
    """
    match settings:
        case CamvidSettings():
            return open_camvid(settings.root, settings.split)
        case CityscapesSettings():
            return open_cityscapes(settings.root, settings.split, settings.labels)
        case CocoStuffSettings():
            return open_coco_stuff(settings.root, settings.split, settings.image_list)
        case CocoStuff10kSettings():
            return open_coco_stuff_10k(settings.root, settings.split)
        case PairsSettings():
            return open_pairs(settings.images, settings.labels, settings.label_map)
        case PairListSettings():
            return open_pair_list(settings.pairs, settings.label_map)
        case SyntheticSettings():
            return SyntheticFrames(settings.frames, settings.first_seed, settings.size)
