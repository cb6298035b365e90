# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Defines BiSeNet V1 (Yu et al. 2018, https://arxiv.org/abs/1808.00897).

Where the paper gives no details or its maintained implementations agree on something else, this is
the form with the published accuracy: the Spatial Path ends with a 1x1 convolution, the fusion
module's gate is one 1x1 convolution with batch norm, and the main head is 256 wide. Only the gate
differs between those implementations. Its other forms are there for weights trained with them.
"""

from __future__ import annotations

from typing import ClassVar, Literal, get_args

import torch
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
from bisenet_ros.network.resnet import ResNet
from bisenet_ros.network.xception39 import Xception39

BackboneName = Literal['xception39', 'resnet18', 'resnet101']

Gate = Literal['norm', 'norm_relu', 'bottleneck']
"""What the fusion module's gate computes before its sigmoid: one 1x1 convolution with batch norm,
the same with ReLU, or two 1x1 convolutions with a ReLU between them and a quarter of the width."""

PATH_CHANNELS = 128
"""Width of the features at the end of each path."""

FUSED_CHANNELS = 2 * PATH_CHANNELS
"""Width of the fused features."""


class SpatialPath(nn.Sequential):
    """Wide and shallow: (B, 3, H, W) -> (B, 128, H/8, W/8) (section 3.1)."""

    def __init__(self) -> None:
        super().__init__(
            ConvNorm(3, 64, 7, stride=2),  # 1/2
            ConvNorm(64, 64, stride=2),  # 1/4
            ConvNorm(64, 64, stride=2),  # 1/8
            ConvNorm(64, PATH_CHANNELS, 1),
        )


class AttentionRefinement(nn.Module):
    """Weights channels by global context: (B, C, h, w) -> (B, C', h, w) (fig. 2b)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.project = ConvNorm(in_channels, out_channels)
        self.attend = ConvNorm(out_channels, out_channels, 1, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.project(x)
        gate = self.attend(global_average(x)).sigmoid()  # (B, C', 1, 1)
        refined: Tensor = x * gate
        return refined


class ContextPath(nn.Module):
    """Deep, down to 1/32, and back up to 1/8 (section 3.2, fig. 2a)."""

    def __init__(self, backbone: BackboneName, upsampling: Upsampling) -> None:
        super().__init__()
        self.upsampling = upsampling
        self.backbone = Xception39() if backbone == 'xception39' else ResNet(backbone)
        sixteenth, deepest = self.backbone.channels
        self.embed = ConvNorm(deepest, PATH_CHANNELS, 1)
        self.refine32 = AttentionRefinement(deepest, PATH_CHANNELS)
        self.smooth32 = ConvNorm(PATH_CHANNELS, PATH_CHANNELS)
        self.refine16 = AttentionRefinement(sixteenth, PATH_CHANNELS)
        self.smooth16 = ConvNorm(PATH_CHANNELS, PATH_CHANNELS)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, H, W) -> (B, 128, H/8, W/8), and (B, 128, H/16, W/16) on the way to it."""
        x16, x32 = self.backbone(x)
        tail = self.embed(global_average(x32))  # (B, 128, 1, 1)
        context16 = self.smooth32(self._up(self.refine32(x32) + tail))  # (B, 128, H/16, W/16)
        context8 = self.smooth16(self._up(self.refine16(x16) + context16))  # (B, 128, H/8, W/8)
        return context8, context16

    def _up(self, x: Tensor) -> Tensor:
        return upsample(x, 2, self.upsampling, align_corners=True)


class FeatureFusion(nn.Module):
    """Fuses the two paths and weights the channels (section 3.3, fig. 2c)."""

    def __init__(self, gate: Gate = 'norm') -> None:
        super().__init__()
        self.mix = ConvNorm(2 * PATH_CHANNELS, FUSED_CHANNELS, 1)
        self.attend: nn.Module
        if gate == 'bottleneck':
            self.attend = nn.Sequential(
                nn.Conv2d(FUSED_CHANNELS, FUSED_CHANNELS // 4, 1, bias=False),
                nn.ReLU(inplace=True),
                nn.Conv2d(FUSED_CHANNELS // 4, FUSED_CHANNELS, 1, bias=False),
            )
        else:
            self.attend = ConvNorm(FUSED_CHANNELS, FUSED_CHANNELS, 1, relu=gate == 'norm_relu')

    def forward(self, spatial: Tensor, context: Tensor) -> Tensor:
        """Two (B, 128, h, w) -> (B, 256, h, w)."""
        x = self.mix(torch.cat((spatial, context), dim=1))
        gate = self.attend(global_average(x)).sigmoid()  # (B, 256, 1, 1)
        fused: Tensor = x + x * gate
        return fused


class BiSeNetV1(SegmentationNetwork):
    """BiSeNet V1 on one of three backbones.

    Args:
        num_classes: Number of classes.
        backbone: Backbone of the Context Path; the ResNets need torchvision.
        boosters: Build the two auxiliary heads of the training form (section 3.4, formula 2), on
            the context features at 1/8 and 1/16. They do not exist in the inference form.
        upsampling: How context features are upsampled by two: 'nearest' as in the implementations
            with the best published weights, 'bilinear' with aligned corners as in the authors' own.
        gate: The form of the fusion module's gate.

    Raises:
        UserError: The backbone is a ResNet and torchvision is not installed.
    """

    branches = ('context', 'spatial')
    options: ClassVar = {'gate': get_args(Gate)}

    HEAD_CHANNELS = 256
    """Width of the main head, with which the published accuracy was reached."""

    BOOSTER_CHANNELS = 64
    """Width of the auxiliary heads."""

    def __init__(
        self,
        num_classes: int,
        *,
        backbone: BackboneName,
        boosters: bool = False,
        upsampling: Upsampling = 'nearest',
        gate: Gate = 'norm',
    ) -> None:
        super().__init__()
        self.upsampling = upsampling
        self.spatial = SpatialPath()
        self.context = ContextPath(backbone, upsampling)
        self.fusion = FeatureFusion(gate)
        self.head = SegmentationHead(FUSED_CHANNELS, self.HEAD_CHANNELS, num_classes, dropout=0.0)
        self.boosters = nn.ModuleList(
            SegmentationHead(PATH_CHANNELS, self.BOOSTER_CHANNELS, num_classes, dropout=0.0)
            for _ in range(2 if boosters else 0)
        )
        initialize(self)

    def features(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """(B, 3, H, W) -> (B, 256, H/8, W/8), and 128 channels at 1/8 and 1/16 for the boosters."""
        context8, context16 = self.context(x)
        return self.fusion(self.spatial(x), context8), (context8, context16)

    @property
    def imagenet_backbone(self) -> ResNet | None:
        """The backbone, if it is a ResNet."""
        backbone = self.context.backbone
        return backbone if isinstance(backbone, ResNet) else None
