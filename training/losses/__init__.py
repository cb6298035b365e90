# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Defines the losses of training, exact when distributed.

They are cross-entropy, OHEM and Dice over all heads, and distillation from a teacher.
"""

from __future__ import annotations

from bisenet_training.losses.distillation import distillation_loss
from bisenet_training.losses.segmentation_loss import SegmentationLoss
from bisenet_training.losses.settings import LossSettings, TeacherSettings

__all__ = [
    'LossSettings',
    'SegmentationLoss',
    'TeacherSettings',
    'distillation_loss',
]
