# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The PyTorch engine, on the CPU or a GPU."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.utils import convert_conv2d_weight_memory_format

from bisenet_ros.engine.engine import Frame
from bisenet_ros.engine.hardware import DTYPES
from bisenet_ros.engine.profiling import stage
from bisenet_ros.engine.winograd import use_winograd
from bisenet_ros.network import SegmentationNetwork, fold_batch_norm
from bisenet_ros.preprocess import Normalization
from bisenet_ros.resizing import resize


class TorchEngine:
    """An `Engine` that needs only torch and runs on any of its devices.

    Batch norms are folded into the convolutions. Everything is channels last, which the
    convolutions of oneDNN and cuDNN take without conversion. On a CPU, wide convolutions are
    computed by Winograd's algorithm.

    Args:
        network: In evaluation mode; not changed.
        normalization: The normalisation that the network expects.
        network_size: (width, height) to run the network at.
        device: Where to run.
        precision: A key of `DTYPES`.
        plain: Run the network exactly as it is, with nothing folded or replaced: slower, but wrong
            only where torch is wrong.
    """

    name = 'torch'

    def __init__(
        self,
        network: SegmentationNetwork,
        normalization: Normalization,
        network_size: tuple[int, int],
        device: torch.device,
        precision: str,
        *,
        plain: bool = False,
    ) -> None:
        self.notes: list[str] = []
        self.device = device
        self._dtype = DTYPES[precision]
        self._normalization = normalization
        self._network_size = network_size
        self._network = copy.deepcopy(network) if plain else fold_batch_norm(network)
        if device.type == 'cpu' and not plain:
            use_winograd(self._network, precision)
        self._network.to(device, self._dtype)
        convert_conv2d_weight_memory_format(self._network, torch.channels_last)

    @torch.inference_mode()
    def __call__(self, frames: Sequence[Frame]) -> Tensor:
        """See `Engine.__call__`; the layout is channels last."""
        with stage('pre'):
            inputs = self._prepared(frames)
        # On a CPU in float32, torch uses different kernels for one small image than for several,
        # and they round differently. Running the images one by one is as fast there.
        singly = self.device.type == 'cpu' and self._dtype == torch.float32
        with stage('network'):
            batches = torch.split(inputs, 1) if singly else [inputs]
            return torch.cat([self._network.coarse(batch).float() for batch in batches])

    def _prepared(self, frames: Sequence[Frame]) -> Tensor:
        """(B, 3, h, w), normalised."""
        width, height = self._network_size
        # A GPU copies from page-locked memory by itself. torch caches such memory.
        pinned = self.device.type == 'cuda'
        shape = len(frames), height, width, 3
        host = torch.empty(shape, dtype=torch.uint8, device='cpu', pin_memory=pinned)
        for slot, frame in zip(host.numpy(), frames, strict=True):
            slot[:] = resize(frame, self._network_size)
        pixels = host.to(self.device, non_blocking=True)  # (B, h, w, 3)
        return self._normalization(pixels).to(self._dtype)
