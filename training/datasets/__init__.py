# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames with labels to train and to evaluate on: what they are, and where they come from.

    dataset = CamvidSettings(root='CamVid', split='train').open()
    check = check_dataset(dataset)
    sample = dataset[0]

docs/datasets.md describes the layouts, and label maps for anybody's own images; the registry is
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
