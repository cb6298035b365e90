# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Data sets of frames with labels, for training and evaluation.

    dataset = CamvidSettings(root='CamVid', split='train').open()
    check = check_dataset(dataset)
    sample = dataset[0]

docs/datasets.md describes the folder layouts, and label maps for custom images. The registry is
bisenet_training.dataset_registry.
"""

from __future__ import annotations

from bisenet_training.datasets.base import Dataset
from bisenet_training.datasets.check import DatasetCheck, check_dataset
from bisenet_training.datasets.sample import DatasetError, Sample
from bisenet_training.datasets.settings import AnyDataset, DatasetSettings

__all__ = [
    'AnyDataset',
    'Dataset',
    'DatasetCheck',
    'DatasetError',
    'DatasetSettings',
    'Sample',
    'check_dataset',
]
