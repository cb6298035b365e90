# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Defines BiSeNet V2 (Yu et al. 2020, https://arxiv.org/abs/2004.02147).

Where the paper gives no details or its maintained implementations agree on something else, this is
the form with the published accuracy: ReLU after every depth-wise convolution of a
gather-and-expansion layer, batch norm and ReLU after the context embedding and the aggregation.

V2-Large has a width multiplier (2) and a depth multiplier (3). The paper says no more about them,
and its code is not published. Here the width multiplies the channels of both branches and of the
aggregation, so that the Semantic Branch keeps a quarter of the Detail Branch's. The heads keep
their width, which the paper chooses separately. The depth multiplies the number of
gather-and-expansion layers that keep the size (1, 1 and 3 in the three stages). The layers that
halve the size, the stem and the context embedding are not repeated. The shapes below are for
width 1.
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bisenet_ros.network.base import SegmentationNetwork
from bisenet_ros.network.layers import (
    ConvNorm,
    SegmentationHead,
    Upsampling,
    global_average,
    initialize,
    upsample,
)


class DetailBranch(nn.Sequential):
    """Wide and shallow, three stages down to 1/8 (section 4.1, table 1)."""

    def __init__(self, width: int) -> None:
        shallow, deep = 64 * width, 128 * width
        super().__init__(
            ConvNorm(3, shallow, stride=2),  # 1/2
            ConvNorm(shallow, shallow),
            ConvNorm(shallow, shallow, stride=2),  # 1/4
            ConvNorm(shallow, shallow),
            ConvNorm(shallow, shallow),
            ConvNorm(shallow, deep, stride=2),  # 1/8
            ConvNorm(deep, deep),
            ConvNorm(deep, deep),
        )


class Stem(nn.Module):
    """Downsamples in two parallel ways, then fuses: (B, 3, H, W) -> (B, 16, H/4, W/4) (fig. 4a)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.shrink = ConvNorm(3, channels, stride=2)
        self.convolve = nn.Sequential(
            ConvNorm(channels, channels // 2, 1), ConvNorm(channels // 2, channels, stride=2)
        )
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.fuse = ConvNorm(2 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.shrink(x)  # (B, 16, H/2, W/2)
        x = torch.cat((self.convolve(x), self.pool(x)), dim=1)  # (B, 32, H/4, W/4)
        fused: Tensor = self.fuse(x)
        return fused


class GatherExpansion(nn.Module):
    """Gather-and-expansion layer that keeps the size (fig. 5b)."""

    EXPANSION = 6

    def __init__(self, channels: int) -> None:
        super().__init__()
        expanded = channels * self.EXPANSION
        self.gather = ConvNorm(channels, channels)
        self.expand = ConvNorm(channels, expanded, groups=channels)
        self.project = ConvNorm(expanded, channels, 1, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C, h, w)."""
        return F.relu(x + self.project(self.expand(self.gather(x))), inplace=True)


class GatherExpansionDown(nn.Module):
    """Gather-and-expansion layer that halves the size (fig. 5c)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        expanded = in_channels * GatherExpansion.EXPANSION
        self.gather = ConvNorm(in_channels, in_channels)
        self.expand = ConvNorm(in_channels, expanded, stride=2, groups=in_channels, relu=False)
        self.refine = ConvNorm(expanded, expanded, groups=expanded)
        self.project = ConvNorm(expanded, out_channels, 1, relu=False)
        self.shortcut = nn.Sequential(
            ConvNorm(in_channels, in_channels, stride=2, groups=in_channels, relu=False),
            ConvNorm(in_channels, out_channels, 1, relu=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C', h/2, w/2)."""
        main = self.project(self.refine(self.expand(self.gather(x))))
        return F.relu(main + self.shortcut(x), inplace=True)


class ContextEmbedding(nn.Module):
    """Adds global context to every position (fig. 4b): (B, C, h, w) -> the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.embed = ConvNorm(channels, channels, 1)
        self.fuse = ConvNorm(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        context = self.embed(self.norm(global_average(x)))  # (B, C, 1, 1)
        fused: Tensor = self.fuse(x + context)
        return fused


class SemanticStage(nn.Sequential):
    """Halves the size, then `depth` layers that keep it: (B, C, h, w) -> (B, C', h/2, w/2)."""

    def __init__(self, in_channels: int, out_channels: int, depth: int) -> None:
        super().__init__(
            GatherExpansionDown(in_channels, out_channels),
            *(GatherExpansion(out_channels) for _ in range(depth)),
        )


class SemanticBranch(nn.Module):
    """Narrow and deep, down to 1/32 (section 4.2, table 1).

    Attributes:
        channels: Channels of the features at 1/4, 1/8, 1/16 and 1/32, which are also the inputs of
            the boosters.
    """

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.channels = (16 * width, 32 * width, 64 * width, 128 * width)
        quarter, eighth, sixteenth, deepest = self.channels
        self.stem = Stem(quarter)
        self.stage3 = SemanticStage(quarter, eighth, depth)
        self.stage4 = SemanticStage(eighth, sixteenth, depth)
        self.stage5 = SemanticStage(sixteenth, deepest, 3 * depth)
        self.context = ContextEmbedding(deepest)

    def forward(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor, Tensor]]:
        """(B, 3, H, W) -> (B, 128, H/32, W/32), and the features of the four stages."""
        x4 = self.stem(x)  # (B, 16, H/4, W/4)
        x8 = self.stage3(x4)  # (B, 32, H/8, W/8)
        x16 = self.stage4(x8)  # (B, 64, H/16, W/16)
        x32 = self.stage5(x16)  # (B, 128, H/32, W/32)
        return self.context(x32), (x4, x8, x16, x32)


class GuidedAggregation(nn.Module):
    """Each branch gates the other at its own scale, then both are summed (section 4.3, fig. 6)."""

    def __init__(self, channels: int, upsampling: Upsampling, bias: bool) -> None:
        super().__init__()
        self.upsampling = upsampling
        self.detail_keep = nn.Sequential(
            ConvNorm(channels, channels, groups=channels, relu=False),
            nn.Conv2d(channels, channels, 1, bias=bias),
        )
        self.detail_down = nn.Sequential(
            ConvNorm(channels, channels, stride=2, relu=False),
            nn.AvgPool2d(3, stride=2, padding=1),
        )
        self.semantic_up = ConvNorm(channels, channels, relu=False)
        self.semantic_keep = nn.Sequential(
            ConvNorm(channels, channels, groups=channels, relu=False),
            nn.Conv2d(channels, channels, 1, bias=bias),
        )
        self.fuse = ConvNorm(channels, channels)

    def forward(self, detail: Tensor, semantic: Tensor) -> Tensor:
        """Detail (B, C, h, w) and semantic (B, C, h/4, w/4) -> (B, C, h, w)."""
        fine = self.detail_keep(detail) * self._up(self.semantic_up(semantic)).sigmoid()
        coarse = self.detail_down(detail) * self.semantic_keep(semantic).sigmoid()
        fused: Tensor = self.fuse(fine + self._up(coarse))
        return fused

    def _up(self, x: Tensor) -> Tensor:
        return upsample(x, 4, self.upsampling)


class BiSeNetV2(SegmentationNetwork):
    """BiSeNet V2, or V2-Large at width 2 and depth 3.

    Args:
        num_classes: Number of classes.
        width: Multiplies the channels of the branches and of the aggregation.
        depth: Multiplies the number of gather-and-expansion layers that keep the size.
        boosters: Build the four auxiliary heads of the training form (section 4.4), on the Semantic
            Branch's features at 1/4, 1/8, 1/16 and 1/32. They do not exist in the inference form.
        upsampling: How features are upsampled by four inside the aggregation: 'nearest', or
            'bilinear' without aligned corners.
        aggregation_bias: Give a bias to the aggregation's two point-wise convolutions, which no
            batch norm follows; for weights that were trained with it.
    """

    branches = ('semantic', 'detail')
    options: ClassVar = {'aggregation_bias': (False, True)}

    HEAD_CHANNELS = 1024
    """Width of the main head, with which the published accuracy was reached."""

    BOOSTER_CHANNELS = 128
    """Width of the auxiliary heads."""

    def __init__(
        self,
        num_classes: int,
        *,
        width: int = 1,
        depth: int = 1,
        boosters: bool = False,
        upsampling: Upsampling = 'bilinear',
        aggregation_bias: bool = False,
    ) -> None:
        super().__init__()
        self.upsampling = upsampling
        channels = 128 * width
        self.detail = DetailBranch(width)
        self.semantic = SemanticBranch(width, depth)
        self.aggregation = GuidedAggregation(channels, upsampling, aggregation_bias)
        self.head = SegmentationHead(channels, self.HEAD_CHANNELS, num_classes)
        self.boosters = nn.ModuleList(
            SegmentationHead(stage_channels, self.BOOSTER_CHANNELS, num_classes)
            for stage_channels in (self.semantic.channels if boosters else ())
        )
        initialize(self)

    def features(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """(B, 3, H, W) -> (B, 128, H/8, W/8), and the four stages of the Semantic Branch."""
        semantic, stages = self.semantic(x)
        return self.aggregation(self.detail(x), semantic), stages
