# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames with labels to train and to evaluate on: what they are, and where they come from.

    dataset = open_dataset(CamvidSettings(kind='camvid', root='CamVid', split='train'))
    check = check_dataset(dataset)
    sample = dataset[0]

docs/datasets.md describes the layouts, and label maps for anybody's own images.
"""

from __future__ import annotations

from bisenet_training.datasets.base import Dataset
from bisenet_training.datasets.check import DatasetCheck, check_dataset
from bisenet_training.datasets.opening import open_dataset
from bisenet_training.datasets.sample import DatasetError, Sample
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

__all__ = [
    'CamvidSettings',
    'CityscapesSettings',
    'CocoStuff10kSettings',
    'CocoStuffSettings',
    'Dataset',
    'DatasetCheck',
    'DatasetError',
    'DatasetSettings',
    'PairListSettings',
    'PairsSettings',
    'Sample',
    'SyntheticSettings',
    'check_dataset',
    'open_dataset',
]
