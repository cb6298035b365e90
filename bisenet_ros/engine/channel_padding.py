# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pads channels to multiples of eight, which the tensor cores of a GPU need.

With other numbers of channels, cuDNN pads in each call or uses slow kernels.
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
    """Pads the logits of a network to a multiple of eight, in place; returns how many are real."""
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
    """Makes a network take images of eight channels, of which it uses three. Works in place.

    It is not known which convolutions see the image. So all that take three channels are widened.
    If this changes the logits of a test image, it is undone.

    Returns:
        The number of channels that the network takes.
    """
    generator = torch.Generator('cpu').manual_seed(0)
    shape = 1, _COLORS, 64, 64
    image = torch.rand(shape, dtype=torch.float32, device='cpu', generator=generator)
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
