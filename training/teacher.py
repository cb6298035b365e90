# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A trained network as the teacher of another one."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.utils import convert_conv2d_weight_memory_format

from bisenet_ros.checkpoint import Checkpoint
from bisenet_ros.errors import UserError
from bisenet_ros.label_space import LabelSpace
from bisenet_ros.network import fold_batch_norm
from bisenet_training.losses import TeacherSettings, distillation_loss


class Teacher:
    """Computes the distillation loss of a student; its weights are fixed.

    Attributes:
        compared_channels: Number of channels of its features; None if they are not compared.

    Args:
        settings: The weights of the teacher and of the loss terms.
        label_space: The classes of the training.
        device: The device of the teacher.

    Raises:
        UserError: The weights do not exist, or have different classes or another order.
    """

    def __init__(
        self, settings: TeacherSettings, label_space: LabelSpace, device: torch.device
    ) -> None:
        self.settings = settings
        checkpoint = Checkpoint.load(settings.weights)
        if checkpoint.label_space.names != label_space.names:
            raise UserError(
                f'the teacher {settings.weights} has other classes than the data sets, or another '
                f'order: {", ".join(checkpoint.label_space.names)} instead of '
                f'{", ".join(label_space.names)}'
            )
        network = fold_batch_norm(checkpoint.build())
        self.compared_channels = network.feature_channels if settings.features_weight else None
        self._normalize = checkpoint.normalization
        convert_conv2d_weight_memory_format(network, torch.channels_last)
        self._network = network.to(device)

    def loss(self, images: Tensor, logits: Tensor, features: Tensor | None) -> Tensor:
        """Returns the distillation loss of a student, a scalar; see `distillation_loss`.

        Args:
            images: BGR (B, H, W, 3) uint8, the student's input before normalisation.
            logits: (B, classes, H/8, W/8) of the student's main head.
            features: (B, compared_channels, H/8, W/8), or None.
        """
        with torch.no_grad():
            seen, heads = self._network.features_and_heads(self._normalize(images))
        loss: Tensor = distillation_loss(self.settings, logits, heads[0], features, seen)
        return loss
