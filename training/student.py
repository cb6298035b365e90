# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The network in training, and a projection of its features to a teacher's width."""

from __future__ import annotations

from torch import Tensor, nn

from bisenet_ros.network import SegmentationNetwork


class Student(nn.Module):
    """A network in training form, and a projection of its features, where they are compared.

    Args:
        network: What is trained.
        teacher_channels: Width of the teacher's features; None where they are not compared.
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
        """Normalised images (B, 3, H, W) -> logits of every head, and projected features.

        Returns:
            Logits as of `SegmentationNetwork.coarse_heads`, and (B, teacher channels, H/8, W/8) or
            None.
        """
        features, heads = self.network.features_and_heads(x)
        return heads, None if self.projection is None else self.projection(features)
