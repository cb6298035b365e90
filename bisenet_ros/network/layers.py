# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Defines layers of the networks, and folds batch norms."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Literal, TypeVar

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

NetworkT = TypeVar('NetworkT', bound=nn.Module)

Upsampling = Literal['bilinear', 'nearest']
"""How features are upsampled inside a network. Weights fit only the mode that they were trained
with, so a checkpoint stores it."""


class ConvNorm(nn.Module):
    """Convolution without bias, batch norm and, unless switched off, ReLU.

    "Same" padding: at stride 1 the output has the size of the input, at stride 2 half of it,
    rounded up.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        *,
        stride: int = 1,
        groups: int = 1,
        relu: bool = True,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size,
            stride=stride,
            padding=kernel_size // 2,
            groups=groups,
            bias=False,
        )
        self.norm = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True) if relu else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.relu(self.norm(self.conv(x)))
        return out


class SegmentationHead(nn.Module):
    """3x3 to `mid_channels`, dropout, 1x1 to classes (BiSeNet V2, section 4.3, fig. 6)."""

    def __init__(
        self, in_channels: int, mid_channels: int, num_classes: int, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.project = ConvNorm(in_channels, mid_channels)
        self.dropout = nn.Dropout(dropout)
        self.classify = nn.Conv2d(mid_channels, num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, h, w) -> logits (B, num_classes, h, w)."""
        logits: Tensor = self.classify(self.dropout(self.project(x)))
        return logits


def upsample(x: Tensor, factor: int, mode: Upsampling, *, align_corners: bool = False) -> Tensor:
    """(B, C, h, w) -> (B, C, factor * h, factor * w); `align_corners` is for 'bilinear'."""
    aligned = align_corners if mode == 'bilinear' else None
    return F.interpolate(x, scale_factor=float(factor), mode=mode, align_corners=aligned)


def global_average(x: Tensor) -> Tensor:
    """(B, C, h, w) -> (B, C, 1, 1)."""
    return x.mean((2, 3), keepdim=True)


def initialize(network: nn.Module) -> None:
    """Initialises every convolution as in He et al. 2015; batch norms start as identity."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode='fan_out', nonlinearity='relu')
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def fold_batch_norm(network: NetworkT) -> NetworkT:
    """Returns a copy of `network` for inference: evaluation mode, batch norms folded, no gradients.

    A batch norm is folded into the convolution before it, which then has a bias, if it certainly
    runs right after it: in a `Sequential`, or where the names of two consecutive children match, as
    in `ConvNorm` and in torchvision's ResNets (`conv1`, `bn1`).
    """
    folded = copy.deepcopy(network).eval().requires_grad_(False)
    for module in folded.modules():
        for (conv_name, conv), (norm_name, norm) in pairwise(list(module.named_children())):
            if (
                type(conv) is nn.Conv2d
                and isinstance(norm, nn.BatchNorm2d)
                and (
                    type(module).forward is nn.Sequential.forward
                    or norm_name in (conv_name.replace('conv', new) for new in ('norm', 'bn'))
                )
            ):
                setattr(module, conv_name, fuse_conv_bn_eval(conv, norm))
                setattr(module, norm_name, nn.Identity())
    return folded
