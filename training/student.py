# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The network in training, and a projection of its features to a teacher's width."""

from __future__ import annotations

from torch import Tensor, nn

from bisenet_ros.network import SegmentationNetwork


class Student(nn.Module):
    """A network in training form, with a projection of its features if they are compared.

    Args:
        network: The network to train.
        teacher_channels: Number of channels of the teacher's features; None if features are not
            compared.
    """

    def __init__(self, network: SegmentationNetwork, teacher_channels: int | None) -> None:
        super().__init__()
        self.network = network
        self.projection = (
            None
            if teacher_channels is None
            else nn.Conv2d(network.feature_channels, teacher_channels, 1, bias=False)
        )

    def forward(self, x: Tensor) -> tuple[tuple[Tensor, ...], Tensor | None]:
        """Maps normalised images (B, 3, H, W) to logits of every head and projected features.

        Returns:
            Logits of `SegmentationNetwork.coarse_heads`, and (B, teacher channels, H/8, W/8) or
            None.
        """
        features, heads = self.network.features_and_heads(x)
        return heads, None if self.projection is None else self.projection(features)
