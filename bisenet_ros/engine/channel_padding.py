# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pads channels to multiples of eight, which the tensor cores of a GPU need.

A convolution of another number of channels is padded by cuDNN each time, or done by slow kernels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bisenet_ros.network import SegmentationNetwork

MULTIPLE = 8
_COLORS = 3


@torch.no_grad()
def pad_classes(network: SegmentationNetwork) -> int:
    """Give a network, which is changed, a multiple of eight logits; how many are true ones."""
    classify = network.head.classify
    classes = classify.out_channels
    more = -classes % MULTIPLE
    assert classify.bias is not None
    classify.weight = _constant(F.pad(classify.weight, (0, 0, 0, 0, 0, 0, 0, more)))
    classify.bias = _constant(F.pad(classify.bias, (0, more)))
    classify.out_channels += more
    return classes


@torch.no_grad()
def pad_colors(network: SegmentationNetwork) -> int:
    """Let a network, which is changed, take images of eight channels, of which three are used.

    Which convolutions see the image is not known: all that take three channels are widened, and if
    what the network says of an image is then anything else, everything stays as it was.

    Returns:
        How many channels it takes.
    """
    image = torch.rand((1, _COLORS, 64, 64), generator=torch.Generator().manual_seed(0))
    expected = network.coarse(image)
    convolutions = [
        module
        for module in network.modules()
        if type(module) is nn.Conv2d and (module.in_channels, module.groups) == (_COLORS, 1)
    ]
    _widen(convolutions, MULTIPLE)
    try:
        logits = network.coarse(F.pad(image, (0, 0, 0, 0, 0, MULTIPLE - _COLORS)))
        same = torch.allclose(logits, expected, rtol=1e-4, atol=1e-4)
    except RuntimeError:  # shapes that do not fit
        same = False
    if not same:
        _widen(convolutions, _COLORS)
    return MULTIPLE if same else _COLORS


def _widen(convolutions: list[nn.Conv2d], channels: int) -> None:
    for conv in convolutions:
        more = channels - conv.in_channels
        conv.weight = _constant(F.pad(conv.weight, (0, 0, 0, 0, 0, more)))
        conv.in_channels = channels


def _constant(values: Tensor) -> nn.Parameter:
    return nn.Parameter(values, requires_grad=False)
