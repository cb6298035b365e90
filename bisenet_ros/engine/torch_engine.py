# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The network in PyTorch, on the CPU or a GPU."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.utils import convert_conv2d_weight_memory_format

from bisenet_ros.engine.hardware import DTYPES
from bisenet_ros.network import SegmentationNetwork, fold_batch_norm
from bisenet_ros.preprocess import Normalization


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
        self._dtype = DTYPES[precision]
        self._normalization = normalization
        self._network = fold_batch_norm(network).to(device, self._dtype)
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
        return self._network.coarse(self._normalization(pixels).to(self._dtype)).float()
