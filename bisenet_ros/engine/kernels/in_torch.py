# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Implements the kernels in plain torch, for any device."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from bisenet_ros.engine.kernels.resampling import Resampling, Taps
from bisenet_ros.engine.upsample_argmax import (
    Scale,
    Shape,
    argmax_in_torch,
    confidence_in_torch,
)
from bisenet_ros.label_space import IGNORE
from bisenet_ros.network import Upsampling
from bisenet_ros.network.layers import upsample
from bisenet_ros.preprocess import Normalization


def prepare(
    frame: Tensor, target: Tensor, resampling: Resampling, normalization: Normalization
) -> None:
    """See `Kernels.prepare`."""
    height, width = frame.shape[:2]
    x, y = resampling.x, resampling.y
    # Whole numbers have up to 27 bits on the way, of which float32 would keep 24.
    number = torch.int32 if resampling.truncates else torch.float32
    along_x = torch.zeros((height, len(x.first), 3), dtype=number, device=frame.device)
    for tap in range(x.count):
        along_x += frame[:, _tap(x, tap, width)] * x.weights[:, tap, None]
    if resampling.truncates:
        along_x >>= 4
    total = torch.zeros((len(y.first), len(x.first), 3), dtype=number, device=frame.device)
    for tap in range(y.count):
        part = along_x[_tap(y, tap, height)] * y.weights[:, tap, None, None]
        total += part >> 16 if resampling.truncates else part
    if resampling.truncates:
        pixels = ((total + 2) >> 2).float()
    else:
        pixels = total.mul_(resampling.scale).add_(resampling.bias).round_()
    target.copy_(normalization(pixels[None])[0].permute(1, 2, 0))


def _tap(taps: Taps, tap: int, pixels: int) -> Tensor:
    """Returns the input pixel of a tap for each output pixel."""
    return (taps.first + tap).clamp(0, pixels - 1)


def draw(
    logits: Tensor,
    size: Shape,
    scale: Scale,
    drivable: Tensor,
    min_confidence: int,
    min_drivable_confidence: int,
    *,
    with_confidence: bool,
) -> Tensor:
    """See `Kernels.draw`."""
    logits = logits.float()
    labels = argmax_in_torch(logits, size, scale)
    if not with_confidence:
        return torch.stack([labels, drivable[labels.long()]])
    confidence = confidence_in_torch(logits, size, scale)
    labels[confidence < min_confidence] = IGNORE
    mask = drivable[labels.long()]
    mask[confidence < min_drivable_confidence] = 0
    return torch.stack([labels, mask, confidence])


def depthwise(images: Tensor, weights: Tensor, biases: Tensor, stride: int, relu: bool) -> Tensor:
    """See `Kernels.depthwise`."""
    filters = weights.permute(2, 0, 1)[:, None]  # (C, 1, 3, 3)
    out = F.conv2d(images, filters, biases, stride, padding=1, groups=images.shape[1])
    return F.relu(out, inplace=True) if relu else out


def aggregate(
    fine: Tensor, gate: Tensor, coarse: Tensor, coarse_gate: Tensor, upsampling: Upsampling
) -> Tensor:
    """See `Kernels.aggregate`."""
    added = upsample(coarse * coarse_gate.sigmoid(), 4, upsampling)
    return fine * upsample(gate, 4, upsampling).sigmoid() + added


def concatenate_pooled(features: Tensor, images: Tensor) -> Tensor:
    """See `Kernels.concatenate_pooled`."""
    return torch.cat((features, F.max_pool2d(images, 3, stride=2, padding=1)), dim=1)
