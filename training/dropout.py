# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Dropout that is cheap on a CPU and spans the batches of all processes."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, distributed, nn

_CHANCES = 1 << 16
"""Probabilities are multiples of 1 / `_CHANCES`."""

_PER_NUMBER = 4
"""Random decisions per 64 bit number."""


class BatchDropout(nn.Dropout):
    """Dropout that draws for the batches of all processes and applies the part of this process.

    The random generators of all processes must be in the same state.

    torch draws a random number for every element, which takes 1/15 of a training step on a CPU.
    Here, one 64-bit number serves four elements.
    """

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, H, W) of this process -> the same."""
        if not self.training:
            return input
        processes, rank = 1, 0
        if distributed.is_initialized():
            processes, rank = distributed.get_world_size(), distributed.get_rank()
        if input.device.type != 'cpu' and processes == 1:
            return super().forward(input)
        batch, channels, height, width = input.shape
        # Numbers are drawn in memory order, image by image.
        is_channels_last = input.is_contiguous(memory_format=torch.channels_last)
        image = (height, width, channels) if is_channels_last else (channels, height, width)
        factors = self._factors((processes * batch, *image), input)
        own = factors[rank * batch : (rank + 1) * batch]
        return input * (own.permute(0, 3, 1, 2) if is_channels_last else own)

    def _factors(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        """Returns 0 for dropped elements and 1 / (1 - p) for the others."""
        if like.device.type != 'cpu':
            return F.dropout(torch.ones(shape, dtype=like.dtype, device=like.device), self.p)
        count = math.prod(shape)
        numbers = torch.empty(-(-count // _PER_NUMBER), dtype=torch.int64)
        numbers.random_(torch.iinfo(torch.int64).min, None)  # all 64 bits
        chances = numbers.view(torch.int16)[:count].view(shape)
        dropped = round(self.p * _CHANCES)
        kept = chances >= torch.iinfo(torch.int16).min + dropped
        return kept.to(like.dtype).mul_(_CHANCES / (_CHANCES - dropped))
