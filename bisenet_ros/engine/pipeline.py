# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Combines preprocessing, network and argmax in one module, for compilers and export formats.

All sizes except the batch size are fixed, and no step depends on values. So `torch.fx`,
`torch.jit.trace` and `torch.onnx` all see the same few operations.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bisenet_ros.network import COARSE_STRIDE, STRIDE, SegmentationNetwork, fold_batch_norm
from bisenet_ros.network.layers import upsample
from bisenet_ros.preprocess import Normalization

Output = Literal['coarse', 'logits', 'labels']


class Pipeline(nn.Module):
    """A network with its preprocessing and output, for images of size `network_size`.

    The input is (B, height, width, 3) uint8 BGR frames if `normalization` is given, otherwise
    (B, 3, height, width) float32, already normalised. `output` is one of:

        coarse: (B, h', w', classes) float32, which `upsample_argmax` takes without a copy
        logits: (B, classes, height, width) float32
        labels: (B, height, width) uint8; for equal logits, the lower id

    Args:
        network: Not changed.
        network_size: (width, height).
        normalization: The normalisation that the network expects.
        output: See above.
        dtype: Data type in which the network computes.
    """

    channels: Tensor
    factor: Tensor
    offset: Tensor

    def __init__(
        self,
        network: SegmentationNetwork,
        network_size: tuple[int, int],
        *,
        normalization: Normalization | None,
        output: Output,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        folded = fold_batch_norm(network)
        folded.boosters = nn.ModuleList()
        self.network = folded.to(dtype)
        self._width, self._height = network_size
        self._normalization = normalization
        self._output = output
        self._dtype = dtype
        if normalization is not None:
            indices = ['bgr'.index(color) for color in normalization.channel_order]
            channels = torch.tensor(indices, device='cpu')
            affine = torch.tensor(normalization.affine, dtype=torch.float32, device='cpu')
            factor, offset = affine.unbind(1)
            for name, values in (('channels', channels), ('factor', factor), ('offset', offset)):
                self.register_buffer(name, values, persistent=False)  # each (3,)

    def forward(self, images: Tensor) -> Tensor:
        """See above."""
        x = images
        if self._normalization is not None:
            # Normalisation comes before the permutation: in this form and order, OpenVINO computes
            # both in one pass over the frame, directly into the layout of its convolutions.
            x = x.float().index_select(3, self.channels) * self.factor + self.offset
            x = x.permute(0, 3, 1, 2)  # (B, 3, H, W)
        x = F.pad(x.to(self._dtype), (0, -self._width % STRIDE, 0, -self._height % STRIDE))
        fused, _ = self.network.features(x)
        coarse: Tensor = self.network.head(fused).float()  # (B, classes, H'/8, W'/8)
        if self._output == 'coarse':
            return coarse.permute(0, 2, 3, 1)
        upsampled = upsample(coarse, COARSE_STRIDE, 'bilinear')
        logits = upsampled[:, :, : self._height, : self._width]
        return logits.argmax(1).to(torch.uint8) if self._output == 'labels' else logits
