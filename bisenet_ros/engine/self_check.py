# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Checks that an engine gives the same labels as plain PyTorch on this machine.

Some drivers, compilers and CPUs compute wrong results, and a wrong mask is worse than a slow one.
"""

from __future__ import annotations

import copy
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from bisenet_ros.engine.device_failure import NotFiniteError
from bisenet_ros.engine.engine import Engine
from bisenet_ros.engine.torch_engine import TorchEngine
from bisenet_ros.network import SegmentationNetwork
from bisenet_ros.preprocess import Normalization
from bisenet_ros.resizing import resize

_MAX_WRONG = 0.01
"""The share of labels that may be wrong; with bf16 it is 0.04 % on CamVid."""

_HANDFUL = 4
"""How many more may be wrong: at a small network size there are only some dozens of labels."""

_CLEAR = 0.4
"""By how many standard deviations of the logits a label must win to count."""

# SyntheticDrive(seed=4, size=(192, 144)).frame(30)
_FRAME = Path(__file__).with_name('self_check.png')


class SelfCheck:
    """Compares engines with plain torch in float32 on the same device, on one frame of a street.

    The engine runs as in use: with its own kernels, at the network's size, in its precision. The
    reference takes as long as plain torch needs for one frame at that size. Labels are compared at
    the nodes of the grid of logits, one per 8x8 pixels.

    Where two classes score about the same, rounding decides between them. In a network that has
    learned little or nothing, this concerns many labels. So only clear winners count, which lead by
    0.4 of the standard deviation of all logits: twenty times the change that bf16 makes to most of
    them. If there are still too many wrong labels, those that plain torch in the same precision
    gets wrong are subtracted: they are due to bf16 or fp16, not to the engine.

    Args:
        network: In evaluation mode, float32, on the CPU; not changed.
        normalization: The normalisation that the network expects.
        network_size: (width, height) that the engines run at.
        device: Device of the engines.
        precision: Precision of the engines.
    """

    def __init__(
        self,
        network: SegmentationNetwork,
        normalization: Normalization,
        network_size: tuple[int, int],
        device: torch.device,
        precision: str,
    ) -> None:
        self._network = network
        self._normalization = normalization
        self._network_size = network_size
        self._device = device
        self._precision = precision
        self._frame = np.asarray(cv2.imread(str(_FRAME)), np.uint8)  # (H, W, 3)

    def run(self, engine: Engine) -> Tensor:
        """Runs an engine on the frame; returns its logits, (C, h, w)."""
        return engine([self._frame])[0]

    def fault_of(self, logits: Tensor) -> str:
        """Says what is wrong with an engine's logits, to follow 'engine x'; empty if nothing is.

        Raises:
            NotFiniteError: Those of plain torch are not finite, so no engine can be right.
        """
        clear = int(self._expected[1].sum())
        wrong, most = self._wrong(logits), _MAX_WRONG * clear + _HANDFUL
        if wrong <= most or wrong - self._wrong(self.run(self.plain)) <= most:
            return ''
        return (
            f'gets {100 * wrong / clear:.1f} % of the labels of a test frame wrong on this '
            f'{self._device.type} in {self._precision}'
        )

    @cached_property
    def plain(self) -> Engine:
        """Plain torch in the precision of the engines."""
        model = self._network, self._normalization, self._network_size
        return TorchEngine(*model, self._device, self._precision, plain=True)

    def _wrong(self, logits: Tensor) -> int:
        """Counts the clear labels that logits get wrong."""
        labels, clear = self._expected
        wrong = (logits.argmax(0) != labels) | ~logits.isfinite().all(0)
        return int((wrong & clear).sum())

    @cached_property
    @torch.inference_mode()
    def _expected(self) -> tuple[Tensor, Tensor]:
        """The labels, and where they are clear, each (h, w)."""
        network, device = self._network, self._device
        if device.type != 'cpu':
            network = copy.deepcopy(network).to(device)
        pixels = torch.from_numpy(resize(self._frame, self._network_size)).to(device)
        # Without these flags, a GPU may compute float32 convolutions in TF32.
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            logits = network.coarse(self._normalization(pixels[None]))[0]  # (C, h, w)
        if not logits.isfinite().all():
            raise NotFiniteError(
                'these weights give logits that are not finite in plain torch on this'
                f' {device.type} in fp32: train or import them again'
            )
        scores, labels = logits.topk(min(2, len(logits)), dim=0)
        return labels[0], scores[0] - scores[-1] > _CLEAR * logits.std()
