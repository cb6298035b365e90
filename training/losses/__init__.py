# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Losses of training, exact when distributed.

Cross-entropy, OHEM and Dice over all heads, and what a student lacks to its teacher.
"""

from __future__ import annotations

from bisenet_training.losses.distillation import distillation_loss
from bisenet_training.losses.segmentation_loss import Loss, SegmentationLoss
from bisenet_training.losses.settings import LossSettings, TeacherSettings

__all__ = [
    'Loss',
    'LossSettings',
    'SegmentationLoss',
    'TeacherSettings',
    'distillation_loss',
]
