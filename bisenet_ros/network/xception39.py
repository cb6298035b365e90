# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Defines Xception39, the light backbone of BiSeNet V1 (Yu et al. 2018, section 4.1)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from bisenet_ros.network.layers import ConvNorm


class SeparableConv(nn.Sequential):
    """Depth-wise 3x3 without a batch norm, then point-wise with one: (B, C, h, w) -> C'."""

    def __init__(
        self, in_channels: int, out_channels: int, *, stride: int = 1, relu: bool = True
    ) -> None:
        super().__init__(
            nn.Conv2d(
                in_channels,
                in_channels,
                3,
                stride=stride,
                padding=1,
                groups=in_channels,
                bias=False,
            ),
            ConvNorm(in_channels, out_channels, 1, relu=relu),
        )


class Block(nn.Module):
    """Residual block of three separable convolutions; the last is four times as wide as the others.

    At stride 2 the shortcut is a separable convolution. At stride 1 it is the input, which must be
    as wide as the output.
    """

    EXPANSION = 4

    def __init__(self, in_channels: int, mid_channels: int, *, stride: int = 1) -> None:
        super().__init__()
        out_channels = mid_channels * self.EXPANSION
        self.residual = nn.Sequential(
            SeparableConv(in_channels, mid_channels, stride=stride),
            SeparableConv(mid_channels, mid_channels),
            SeparableConv(mid_channels, out_channels, relu=False),
        )
        self.shortcut = (
            nn.Identity()
            if stride == 1
            else SeparableConv(in_channels, out_channels, stride=stride, relu=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, 4 * mid, h/stride, w/stride)."""
        return F.relu(self.residual(x) + self.shortcut(x), inplace=True)


class Stage(nn.Sequential):
    """`depth` blocks, of which the first halves the size."""

    def __init__(self, in_channels: int, mid_channels: int, depth: int) -> None:
        out_channels = mid_channels * Block.EXPANSION
        super().__init__(
            Block(in_channels, mid_channels, stride=2),
            *(Block(out_channels, mid_channels) for _ in range(depth - 1)),
        )


class Xception39(nn.Module):
    """(B, 3, H, W) -> features (B, 128, H/16, W/16) and (B, 256, H/32, W/32)."""

    def __init__(self) -> None:
        super().__init__()
        self.channels = (128, 256)
        self.stem = nn.Sequential(ConvNorm(3, 8, stride=2), nn.MaxPool2d(3, stride=2, padding=1))
        self.stage8 = Stage(8, 16, 4)
        self.stage16 = Stage(64, 32, 8)
        self.stage32 = Stage(128, 64, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x4 = self.stem(x)  # (B, 8, H/4, W/4)
        x8 = self.stage8(x4)  # (B, 64, H/8, W/8)
        x16 = self.stage16(x8)  # (B, 128, H/16, W/16)
        return x16, self.stage32(x16)  # (B, 256, H/32, W/32)
