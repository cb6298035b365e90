# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Random augmentation of training samples."""

from __future__ import annotations

from bisenet_training.augment.augmentation import Augmentation
from bisenet_training.augment.settings import AugmentationSettings

__all__ = ['Augmentation', 'AugmentationSettings']
