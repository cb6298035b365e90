# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The network in PyTorch, on the CPU or a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.utils import convert_conv2d_weight_memory_format

from bisenet_ros.engine.hardware import DTYPES
from bisenet_ros.network import SegmentationNetwork, fold_batch_norm
from bisenet_ros.preprocess import Normalization

FLOAT32_PARTS = ('semantic', 'head.classify')
"""What stays float32 when the rest is bfloat16, in networks that have it.

With its 8 bits, bfloat16 alone changes 0.3 % of the labels; without these parts, which are 5 % of
the work, half of that.
"""


class TorchEngine:
    """Frames of the network's size to coarse logits.

    Batch norms are folded into the convolutions, and everything is channels last: what the
    convolutions of oneDNN and cuDNN take as it is.

    Args:
        network: In evaluation mode; not changed.
        normalization: What the network expects.
        device: Where to run.
        precision: A key of `DTYPES`.
    """

    def __init__(
        self,
        network: SegmentationNetwork,
        normalization: Normalization,
        device: torch.device,
        precision: str,
    ) -> None:
        self.device = device
        self._normalization = normalization
        self._network = fold_batch_norm(network).to(device)
        if precision != 'fp32':
            _convert(self._network, DTYPES[precision])
        convert_conv2d_weight_memory_format(self._network, torch.channels_last)

    @torch.inference_mode()
    def __call__(self, frames: Sequence[npt.NDArray[np.uint8]]) -> Tensor:
        """Frames (h, w, 3) uint8 BGR of one size -> logits (B, C, h', w') float32 on `device`.

        h' and w' are those of the padded input over 8; the layout is channels last.
        """
        # Page-locked memory, which a GPU copies from by itself, is kept and reused by torch.
        pinned = self.device.type == 'cuda'
        host = torch.empty((len(frames), *frames[0].shape), dtype=torch.uint8, pin_memory=pinned)
        for slot, frame in zip(host.numpy(), frames, strict=True):
            slot[:] = frame
        pixels = host.to(self.device, non_blocking=True)  # (B, h, w, 3)
        return self._network.coarse(self._normalization(pixels)).float()


def _convert(network: SegmentationNetwork, dtype: torch.dtype) -> None:
    """Let the network compute in `dtype`, and each of its parts take whatever it is given."""
    network.to(dtype)
    if dtype == torch.bfloat16:
        for name, part in network.named_modules():
            if name in FLOAT32_PARTS:
                part.float()
    for part in (*network.children(), network.head.classify):
        part.register_forward_pre_hook(_cast_inputs)


def _cast_inputs(part: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    dtype = next(part.parameters()).dtype
    return tuple(x.to(dtype) for x in inputs)
