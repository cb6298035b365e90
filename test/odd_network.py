# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A network and engines that the package does not know; one registry line adds the network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bisenet_ros.engine.engine import Frame
from bisenet_ros.engine.torch_engine import TorchEngine
from bisenet_ros.network import ConvNorm, SegmentationHead, SegmentationNetwork, Upsampling
from bisenet_ros.network.layers import initialize


class Scaled(ConvNorm):
    """A `ConvNorm` with an operation between the norm and the ReLU."""

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.relu(self.norm(self.conv(x)) - 0.1)
        return out


class Twice(nn.Module):
    """A convolution is followed by one batch norm as a child, and by another in `forward`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm_of_first = nn.BatchNorm2d(channels)
        self.norm_of_second = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm_of_first(self.first(x)))
        return F.relu(self.norm_of_second(self.second(x)))


class OddNetwork(SegmentationNetwork):
    """A network without branches or options, with operations that no other network has."""

    def __init__(
        self, num_classes: int, *, boosters: bool = False, upsampling: Upsampling = 'bilinear'
    ) -> None:
        super().__init__()
        self.upsampling = upsampling
        self.stem = nn.Sequential(
            ConvNorm(3, 32, stride=2), ConvNorm(32, 64, stride=2), Scaled(64, 64, stride=2)
        )
        self.twice = Twice(64)
        self.head = SegmentationHead(64, 64, num_classes)
        self.boosters = nn.ModuleList([SegmentationHead(64, 32, num_classes)] if boosters else [])
        initialize(self)
        generator = torch.Generator().manual_seed(1)
        for norm in (module for module in self.modules() if isinstance(module, nn.BatchNorm2d)):
            nn.init.uniform_(norm.weight, 0.5, 1.5, generator=generator)
            nn.init.normal_(norm.bias, 0, 0.3, generator=generator)

    def features(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Maps (B, 3, H, W) to (B, 64, H/8, W/8), which is also the input of the booster."""
        x = self.stem(x)
        x = F.softplus(self.twice(x))
        return x, (x,)


class WrongEngine(TorchEngine):
    """Mistakes every class for the next one."""

    name = 'wrong'

    def __call__(self, frames: Sequence[Frame]) -> Tensor:
        return super().__call__(frames).roll(1, dims=1)


class BlindEngine(TorchEngine):
    """Returns only NaN."""

    name = 'blind'

    def __call__(self, frames: Sequence[Frame]) -> Tensor:
        return torch.full_like(super().__call__(frames), torch.nan)


class FailingEngine(TorchEngine):
    """Fails with a frame, as cuDNN may."""

    name = 'failing'
    error = 'cuDNN error: CUDNN_STATUS_EXECUTION_FAILED\nmore lines'

    def __call__(self, frames: Sequence[Frame]) -> Tensor:
        raise RuntimeError(self.error)


class UnloadableEngine(FailingEngine):
    """Fails when it is loaded."""

    name = 'unloadable'

    def __init__(self, *_: object) -> None:
        raise RuntimeError(self.error)
