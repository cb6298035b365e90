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
    """A convolution with bias, and ReLU.

    Attributes:
        fuses: Whether cuDNN does it; found out at the first call with each shape.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv
        self.fuses = True
        self._proven: set[torch.Size] = set()

    def forward(self, x: Tensor) -> Tensor:
        if self.fuses:
            conv = self.conv
            # As ConvNorm pads.
            padding = conv.kernel_size[0] // 2, conv.kernel_size[1] // 2
            geometry = conv.bias, conv.stride, padding, conv.dilation, conv.groups
            try:
                fused = torch.cudnn_convolution_relu(x, conv.weight, *geometry)
                if x.shape in self._proven:
                    return fused
                # torch gives cuDNN the memory of the result as a summand with the factor 0,
                # whatever is in it. A kernel that multiplies lets a NaN through that lies there.
                poison = torch.full_like(fused, float('nan'))
                poisoned = torch.cudnn_convolution_add_relu(x, conv.weight, poison, 0.0, *geometry)
                if not poisoned.isnan().any():
                    self._proven.add(x.shape)
                    return fused
            except torch.cuda.OutOfMemoryError:
                raise
            except RuntimeError:  # cuDNN is not there, or has no such kernel for these shapes
                pass
            self.fuses = False
        return F.relu(self.conv(x), inplace=True)


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
