# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Upsamples logits to the size of the labels, with a gradient that is fast on a CPU."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_MIN_SCALE = 4
"""The least scale at which matrix products are faster than torch's own interpolation."""


def upsample(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Upsamples as `SegmentationNetwork.forward`, up to rounding: bilinear, corners not aligned.

    On a CPU the gradient of torch's interpolation takes longer than the rest of the loss, because
    it adds output pixels to input pixels one by one. But at an integer scale s, the s outputs of an
    input pixel are always the same weighted sums of it and its neighbours, along either axis. That
    is a product with a matrix (s, 3), and so is its gradient.

    Args:
        logits: (B, classes, h, w), contiguous.
        size: (height, width) to reach, both the same multiple of h and w.

    Returns:
        (B, classes, height, width), contiguous.
    """
    scale = size[0] // logits.shape[2]
    if logits.device.type != 'cpu' or scale < _MIN_SCALE:
        return F.interpolate(logits, size, mode='bilinear', align_corners=False)
    shares = _shares(scale, logits.dtype)
    wide = _with_neighbors(logits, 3) @ shares.T  # (B, classes, h, w, s)
    rows = _with_neighbors(wide.flatten(3), 2).flatten(0, 2)  # (B classes h, 3, W)
    # Not by @, which would transpose the whole tensor before and after.
    tall = torch.bmm(shares.expand(len(rows), -1, -1), rows)  # (B classes h, s, W)
    return tall.view(*logits.shape[:2], *size)


def _shares(scale: int, dtype: torch.dtype) -> Tensor:
    """Returns (s, 3): the weights of the previous, own and next input pixel for each output."""
    places = (torch.arange(scale, dtype=dtype) + 0.5) / scale - 0.5  # from the middle of the pixel
    return torch.stack((-places.clamp(max=0), 1 - places.abs(), places.clamp(min=0)), dim=1)


def _with_neighbors(x: Tensor, dim: int) -> Tensor:
    """Stacks the previous, own and next element along `dim` in a new dimension after it.

    The edges repeat.
    """
    length = x.shape[dim]
    before = torch.cat((x.narrow(dim, 0, 1), x.narrow(dim, 0, length - 1)), dim)
    after = torch.cat((x.narrow(dim, 1, length - 1), x.narrow(dim, length - 1, 1)), dim)
    return torch.stack((before, x, after), dim + 1)
