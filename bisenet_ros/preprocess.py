# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Normalises resized frames for a network; all engines and training use it.

Training, evaluation, replay and the node all use `resizing.resize` and this module, so that frames
on the vehicle are prepared exactly as in training.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from bisenet_ros.errors import UserError

ChannelOrder = Literal['rgb', 'bgr']


@dataclass(frozen=True)
class Normalization:
    """Normalization of a network's input: (x / 255 - mean) / std.

    Attributes:
        mean: Mean of values scaled to 0..1, always in RGB order.
        std: Standard deviation of values scaled to 0..1, always in RGB order.
        channel_order: The channel order that the network expects.

    Raises:
        UserError: A mean or std is not finite or is for values from 0 to 255, or a std is not
            positive.
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    channel_order: ChannelOrder = 'rgb'

    def __post_init__(self) -> None:
        if not all(math.isfinite(value) for value in (*self.mean, *self.std)):
            raise UserError('mean and std of the input must be finite numbers')
        if min(self.std) <= 0:
            raise UserError('the std of the input must be positive')
        if max(*self.mean, *self.std) > 1:
            # If the mean is within 0 to 1, only the std is wrong.
            mean = [value / (255 if max(self.mean) > 1 else 1) for value in self.mean]
            std = [value / 255 for value in self.std]
            raise UserError(
                'mean and std are of pixel values from 0 to 1, not 0 to 255: give the mean '
                f'{" ".join(f"{value:.4g}" for value in mean)} and the std '
                f'{" ".join(f"{value:.4g}" for value in std)}'
            )

    def __call__(self, frames: Tensor) -> Tensor:
        """Normalises BGR (B, H, W, 3) uint8 to (B, 3, H, W) float32, channels_last, same device."""
        normalized = torch.empty(frames.shape, dtype=torch.float32, device=frames.device)
        # Channel by channel, because torch is slow at reversing the innermost dimension.
        for channel, color in enumerate(self.channel_order):
            factor, offset = self.affine[channel]
            pixels = frames[..., 'bgr'.index(color)]  # (B, H, W)
            # With a number as the factor, the product would have torch's default type.
            product = pixels * torch.tensor(factor, dtype=torch.float32, device='cpu')
            torch.add(product, offset, out=normalized[..., channel])
        return normalized.permute(0, 3, 1, 2)

    @property
    def affine(self) -> list[tuple[float, float]]:
        """(x / 255 - mean) / std as a factor and an offset for each output channel."""
        indices = ['rgb'.index(color) for color in self.channel_order]
        return [(1 / (255 * self.std[i]), -self.mean[i] / self.std[i]) for i in indices]
