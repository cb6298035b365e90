# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A trained network that another one learns from."""

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
    """Says of a batch what it sees; it does not change.

    Attributes:
        compared_channels: Width of its features; None where they do not count.

    Args:
        settings: Which weights, and what they count.
        label_space: The classes of the training.
        device: Where it runs.

    Raises:
        UserError: There are no such weights, or they are for other classes.
    """

    def __init__(
        self, settings: TeacherSettings, label_space: LabelSpace, device: torch.device
    ) -> None:
        self.settings = settings
        checkpoint = Checkpoint.load(settings.weights)
        if checkpoint.label_space.names != label_space.names:
            raise UserError(
                f'the teacher {settings.weights} has other classes than the data sets: '
                f'{", ".join(checkpoint.label_space.names)}'
            )
        network = fold_batch_norm(checkpoint.build())
        self.compared_channels = network.feature_channels if settings.features_weight else None
        self._normalize = checkpoint.normalization
        convert_conv2d_weight_memory_format(network, torch.channels_last)
        self._network = network.to(device)

    def loss(self, images: Tensor, logits: Tensor, features: Tensor | None) -> Tensor:
        """What a student lacks, a scalar: `distillation_loss`.

        Args:
            images: BGR (B, H, W, 3) uint8, as the student saw them.
            logits: (B, classes, H/8, W/8) of its main head.
            features: (B, compared_channels, H/8, W/8), or None.
        """
        with torch.no_grad():
            seen, heads = self._network.features_and_heads(self._normalize(images))
        loss: Tensor = distillation_loss(self.settings, logits, heads[0], features, seen)
        return loss
