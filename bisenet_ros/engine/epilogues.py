# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fuses convolution, bias, addition and ReLU into one kernel, where torch would launch up to four.

Separate kernels would each read and write the whole result once more. Most fused kernels are
cuDNN's. For depth-wise convolutions, cuDNN has none with an epilogue, so they use our own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bisenet_ros.engine.kernels import Kernels
from bisenet_ros.network.layers import ConvNorm
from bisenet_ros.network.v2 import GatherExpansion, GatherExpansionDown, GuidedAggregation, Stem


class ConvReLU(nn.Module):
    """A convolution with bias, an optional summand, and ReLU.

    Without a summand, torch passes cuDNN the uninitialised result as a summand with the factor 0.
    If the kernel multiplies by 0 instead of skipping it, a NaN in that memory reaches the result.
    So the first call with each shape tests it with NaN there and, if that fails, with zeros.

    Attributes:
        fuses: Whether cuDNN fuses it. One failure turns fusing off for all shapes.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv
        self.fuses = True
        self._summands: dict[torch.Size, Tensor | None] = {}  # zeros, or None, by the input's shape

    def forward(self, x: Tensor, summand: Tensor | None = None) -> Tensor:
        if self.fuses:
            try:
                if summand is not None:
                    return self._sum(x, summand, 1.0)
                if x.shape in self._summands or self._find_summand(x):
                    zeros = self._summands[x.shape]
                    if zeros is not None:
                        return self._sum(x, zeros, 0.0)
                    return torch.cudnn_convolution_relu(x, self.conv.weight, *self._geometry)
            except torch.cuda.OutOfMemoryError:
                raise
            except RuntimeError:  # cuDNN is missing, or has no such kernel for these shapes
                pass
            self.fuses = False
        return self._in_steps(x, summand)

    @property
    def _geometry(self) -> tuple[Any, ...]:
        conv = self.conv
        return conv.bias, conv.stride, conv.padding, conv.dilation, conv.groups

    def _sum(self, x: Tensor, summand: Tensor, factor: float) -> Tensor:
        weight = self.conv.weight
        return torch.cudnn_convolution_add_relu(x, weight, summand, factor, *self._geometry)

    def _in_steps(self, x: Tensor, summand: Tensor | None) -> Tensor:
        out = self.conv(x)
        return F.relu(out if summand is None else out.add_(summand), inplace=True)

    def _find_summand(self, x: Tensor) -> bool:
        """Tests which summand gives the right result for a shape; returns whether one does."""
        exact = self._in_steps(x, None).float()
        tolerance = 0.01 * float(exact.abs().max())
        for value in (float('nan'), 0.0):
            summand = torch.full_like(exact, value, dtype=x.dtype)
            found = self._sum(x, summand, 0.0).float()
            if torch.allclose(found, exact, rtol=0.01, atol=tolerance):
                self._summands[x.shape] = None if math.isnan(value) else summand
                return True
        return False


class DepthwiseConv(nn.Module):
    """A depth-wise 3x3 convolution with bias and optional ReLU, as one of our kernels."""

    weights: Tensor
    biases: Tensor

    def __init__(self, layer: ConvNorm, kernels: Kernels) -> None:
        super().__init__()
        conv = layer.conv
        assert conv.bias is not None
        self.register_buffer('weights', conv.weight[:, 0].permute(1, 2, 0).contiguous())
        self.register_buffer('biases', conv.bias)
        self._stride = conv.stride[0]
        self._relu = isinstance(layer.relu, nn.ReLU)
        self._kernels = kernels

    def forward(self, x: Tensor) -> Tensor:
        return self._kernels.depthwise(x, self.weights, self.biases, self._stride, self._relu)


class FusedGatherExpansion(nn.Module):
    """A `GatherExpansion` or `GatherExpansionDown` whose sum is fused into its last convolution."""

    def __init__(self, layer: GatherExpansion | GatherExpansionDown) -> None:
        super().__init__()
        self.main = nn.Sequential(layer.gather, layer.expand)
        self.shortcut = nn.Sequential()
        project = layer.project.conv
        if isinstance(layer, GatherExpansionDown):
            self.main.append(layer.refine)
            first, last = layer.shortcut[0], layer.shortcut[1].conv
            assert isinstance(first, ConvNorm)
            assert isinstance(last, nn.Conv2d)
            assert project.bias is not None
            assert last.bias is not None
            # The sum of both biases is computed once, here.
            project.bias = nn.Parameter(project.bias + last.bias, requires_grad=False)
            last.bias = None
            self.shortcut = nn.Sequential(first, last)
        self.project = ConvReLU(project)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.project(self.main(x), self.shortcut(x))
        return out


class FusedStem(nn.Module):
    """A `Stem` whose pooling and concatenation run as one of our kernels."""

    def __init__(self, layer: Stem, kernels: Kernels) -> None:
        super().__init__()
        self.layer = layer
        self._kernels = kernels

    def forward(self, x: Tensor) -> Tensor:
        layer = self.layer
        x = layer.shrink(x)
        out: Tensor = layer.fuse(self._kernels.concatenate_pooled(layer.convolve(x), x))
        return out


class FusedAggregation(nn.Module):
    """A `GuidedAggregation` whose element-wise steps run as one of our kernels."""

    def __init__(self, layer: GuidedAggregation, kernels: Kernels) -> None:
        super().__init__()
        self.layer = layer
        self._kernels = kernels

    def forward(self, detail: Tensor, semantic: Tensor) -> Tensor:
        layer = self.layer
        out: Tensor = layer.fuse(
            self._kernels.aggregate(
                layer.detail_keep(detail),
                layer.semantic_up(semantic),
                layer.detail_down(detail),
                layer.semantic_keep(semantic),
                layer.upsampling,
            )
        )
        return out


def fuse_epilogues(network: nn.Module, kernels: Kernels) -> None:
    """Fuses the steps after convolutions in a network with folded batch norms, in place.

    Args:
        network: Stays as it is if a batch norm is not folded.
        kernels: Run the depth-wise convolutions, the stem's pooling and the aggregation.
    """
    if any(isinstance(module, ConvNorm) and not _folded(module) for module in network.modules()):
        return
    _replace(network, (GatherExpansion, GatherExpansionDown), FusedGatherExpansion)
    _replace(network, (Stem,), lambda layer: FusedStem(layer, kernels))
    _replace(network, (GuidedAggregation,), lambda layer: FusedAggregation(layer, kernels))
    _replace(network, (ConvNorm,), lambda layer: _fused(layer, kernels))


def _folded(layer: ConvNorm) -> bool:
    return isinstance(layer.norm, nn.Identity)


def _fused(layer: ConvNorm, kernels: Kernels) -> nn.Module:
    conv = layer.conv
    if conv.groups == 1 and isinstance(layer.relu, nn.ReLU):
        return ConvReLU(conv)
    if 1 < conv.groups == conv.in_channels and conv.kernel_size == (3, 3):
        return DepthwiseConv(layer, kernels)
    return layer


def _replace(
    network: nn.Module, types: tuple[type[nn.Module], ...], fused: Callable[[Any], nn.Module]
) -> None:
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if type(child) in types:
                setattr(module, name, fused(child))
