# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Checks that an engine gives the labels of plain PyTorch on this machine.

Drivers, compilers and CPUs that compute wrong exist, and a wrong mask is worse than a slow one.
"""

from __future__ import annotations

import copy
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from bisenet_ros.engine.engine import Engine
from bisenet_ros.engine.torch_engine import TorchEngine
from bisenet_ros.network import SegmentationNetwork
from bisenet_ros.preprocess import Normalization
from bisenet_ros.resizing import resize

_MOST_WRONG = 0.01
"""The share of wrong labels that an engine may have; with bf16 it is 0.04 % on CamVid."""

_HANDFUL = 4
"""How many more may be wrong: a network of few pixels has only some dozens of labels."""

_CLEAR = 0.4
"""By how much of the logits' standard deviation a label must win to count."""

# SyntheticDrive(seed=4, size=(192, 144)).frame(30)
_FRAME = Path(__file__).with_name('self_check.png')


class SelfCheck:
    """Compares engines with plain torch in float32 on the same device, on one frame of a street.

    The engine runs as it will: with its own kernels, at the network's size, in its precision. Plain
    torch takes as long as it takes for one frame at that size. A label is that of a node of the
    grid of logits, one for 8x8 pixels.

    Where two classes are about as good, rounding decides between them, and of a network that has
    learned little or nothing many labels are such. So only those count that win clearly: by 0.4 of
    the standard deviation of all logits, twenty times what bf16 moves most of them by. What bf16 or
    fp16 does to a network all the same, plain torch in that precision tells from what an engine
    does.

    Args:
        network: In evaluation mode, float32, on the CPU; not changed.
        normalization: What the network expects.
        network_size: (width, height) that the engines run at.
        device: That of the engines.
        precision: That of the engines.
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
        """What an engine makes of the frame: logits (C, h, w)."""
        return engine([self._frame])[0]

    def fault_of(self, logits: Tensor) -> str:
        """What is wrong with an engine's logits, as the rest of 'engine x …'; empty if nothing."""
        clear = int(self._expected[1].sum())
        wrong, most = self._wrong(logits), _MOST_WRONG * clear + _HANDFUL
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
        """How many of the clear labels logits get wrong."""
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
        # Without these flags, a GPU's float32 may be TF32, which is none.
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            logits = network.coarse(self._normalization(pixels[None]))[0]  # (C, h, w)
        scores, labels = logits.topk(min(2, len(logits)), dim=0)
        return labels[0], scores[0] - scores[-1] > _CLEAR * logits.std()
