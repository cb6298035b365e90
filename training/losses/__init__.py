# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What training minimises: cross-entropy, OHEM and Dice over all heads, exact when distributed."""

from __future__ import annotations

from bisenet_training.losses.segmentation_loss import Loss, SegmentationLoss
from bisenet_training.losses.settings import LossSettings

__all__ = ['Loss', 'LossSettings', 'SegmentationLoss']
