# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Runs depth-wise convolutions in float32 when training on a CPU in bf16.

oneDNN has no fast backward pass for them in bf16: it takes two to four times as long as in float32,
and most of the step of a network with EfficientNet. Everything else is faster in bf16.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Float32Convolution(nn.Conv2d):
    """A convolution that ignores autocast; its output has the dtype of its input."""

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H', W')."""
        with torch.autocast(input.device.type, enabled=False):
            return super().forward(input.float()).to(input.dtype)


def keep_depthwise_in_float32(network: nn.Module) -> None:
    """Replaces every grouped convolution of a network in place; the weights are kept."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Conv2d) and child.groups > 1:
                setattr(module, name, _in_float32(child))


def _in_float32(convolution: nn.Conv2d) -> Float32Convolution:
    ours = Float32Convolution(
        convolution.in_channels,
        convolution.out_channels,
        kernel_size=(convolution.kernel_size[0], convolution.kernel_size[1]),
        stride=(convolution.stride[0], convolution.stride[1]),
        padding=(int(convolution.padding[0]), int(convolution.padding[1])),
        groups=convolution.groups,
        bias=convolution.bias is not None,
    )
    ours.weight, ours.bias = convolution.weight, convolution.bias
    return ours
