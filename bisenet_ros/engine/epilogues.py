# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Convolution, bias and ReLU in one kernel of cuDNN, where torch would launch three.

The other two would each read and write the whole result once more.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bisenet_ros.network.layers import ConvNorm


class ConvReLU(nn.Module):
    """A convolution with bias, and ReLU."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv
        self.fuses = True

    def forward(self, x: Tensor) -> Tensor:
        conv = self.conv
        if self.fuses:
            try:
                return torch.cudnn_convolution_relu(
                    x,
                    conv.weight,
                    conv.bias,
                    conv.stride,
                    (conv.kernel_size[0] // 2, conv.kernel_size[1] // 2),  # as ConvNorm pads
                    conv.dilation,
                    conv.groups,
                )
            except torch.cuda.OutOfMemoryError:
                raise
            except RuntimeError:  # cuDNN is not there, or has no such kernel for these shapes
                self.fuses = False
        return F.relu(conv(x), inplace=True)


def fuse_epilogues(network: nn.Module) -> None:
    """Let cuDNN do bias and ReLU of a network whose batch norms are folded; it is changed.

    Depth-wise convolutions stay as they are: cuDNN has no such kernel for them.
    """
    for module in list(network.modules()):
        for name, layer in list(module.named_children()):
            if (
                type(layer) is ConvNorm
                and isinstance(layer.relu, nn.ReLU)
                and isinstance(layer.norm, nn.Identity)
                and layer.conv.groups == 1
            ):
                setattr(module, name, ConvReLU(layer.conv))
