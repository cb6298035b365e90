# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Defines a feature pyramid on EfficientNet-Lite: a teacher that starts from ImageNet weights.

The pyramid is that of Lin et al. 2017 (https://arxiv.org/abs/1612.03144) without its finest level:
the features at 1/4 are downsampled by two and added at 1/8, the scale of the logits of every
network here. The deepest level also receives the average of the whole image, as in BiSeNet.
"""

from __future__ import annotations

from torch import Tensor, nn

from bisenet_ros.network.base import SegmentationNetwork
from bisenet_ros.network.efficientnet_lite import EfficientNetLite
from bisenet_ros.network.layers import (
    ConvNorm,
    SegmentationHead,
    Upsampling,
    global_average,
    initialize,
    upsample,
)

CHANNELS = 128
"""Width of the pyramid, and of the features that other networks can be compared with."""


class FeaturePyramid(SegmentationNetwork):
    """EfficientNet-Lite with a feature pyramid.

    Args:
        num_classes: Number of classes.
        width: Multiplies the channels of EfficientNet-Lite0.
        depth: Multiplies its number of blocks per stage.
        boosters: Build the auxiliary heads of the training form, on the pyramid's features at 1/16
            and 1/32.
        upsampling: How a level is upsampled to the next; the pyramid's paper uses 'nearest'.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        width: float = 1.0,
        depth: float = 1.0,
        boosters: bool = False,
        upsampling: Upsampling = 'nearest',
    ) -> None:
        super().__init__()
        self.upsampling = upsampling
        self.encoder = EfficientNetLite(width, depth)
        quarter, eighth, sixteenth, deepest = self.encoder.channels
        self.embed = nn.Conv2d(deepest, CHANNELS, 1)
        self.lateral32 = ConvNorm(deepest, CHANNELS, 1)
        self.lateral16 = ConvNorm(sixteenth, CHANNELS, 1, relu=False)
        self.lateral8 = ConvNorm(eighth, CHANNELS, 1, relu=False)
        self.shrink4 = ConvNorm(quarter, CHANNELS, stride=2, relu=False)
        self.smooth16 = ConvNorm(CHANNELS, CHANNELS)
        self.smooth8 = ConvNorm(CHANNELS, CHANNELS)
        self.head = SegmentationHead(CHANNELS, CHANNELS, num_classes)
        self.boosters = nn.ModuleList(
            SegmentationHead(CHANNELS, CHANNELS, num_classes) for _ in range(2 if boosters else 0)
        )
        initialize(self)

    def features(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """(B, 3, H, W) -> (B, 128, H/8, W/8), and the levels at 1/16 and 1/32."""
        x4, x8, x16, x32 = self.encoder(x)
        p32 = self.lateral32(x32) + self.embed(global_average(x32))  # (B, 128, H/32, W/32)
        p16 = self.smooth16(self.lateral16(x16) + self._up(p32))  # (B, 128, H/16, W/16)
        p8 = self.smooth8(self.lateral8(x8) + self.shrink4(x4) + self._up(p16))
        return p8, (p16, p32)

    @property
    def imagenet_backbone(self) -> EfficientNetLite:
        """The encoder."""
        return self.encoder

    def _up(self, x: Tensor) -> Tensor:
        return upsample(x, 2, self.upsampling)
