# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""GPU kernels that prepare frames, run parts of the network, and draw labels.

The kernels are written in Triton. Where that cannot work, torch does the same in many kernels. Only
`kernels_for` imports Triton: torch for CPUs comes without it.
"""

from __future__ import annotations

import os
import subprocess
from functools import lru_cache
from typing import Protocol

import torch
from torch import Tensor

from bisenet_ros.engine.engine import first_line
from bisenet_ros.engine.kernels import in_torch
from bisenet_ros.engine.kernels.resampling import Resampling
from bisenet_ros.engine.streams import on_device
from bisenet_ros.engine.upsample_argmax import Scale, Size
from bisenet_ros.network import Upsampling
from bisenet_ros.preprocess import Normalization


class Kernels(Protocol):
    """What `in_triton` and `in_torch` both have: the same results, one faster than the other."""

    def prepare(
        self, frame: Tensor, target: Tensor, resampling: Resampling, normalization: Normalization
    ) -> None:
        """A camera's frame as the network takes it, in one go.

        Args:
            frame: (H, W, 3) uint8 BGR.
            target: (h, w, 3) of any floating type, where channels follow one another: where the
                result goes.
            resampling: Between the two sizes.
            normalization: What the network expects.
        """

    def draw(
        self,
        logits: Tensor,
        size: Size,
        scale: Scale,
        drivable: Tensor,
        lowest_confidence: int,
        with_confidence: bool,
    ) -> Tensor:
        """Labels, drivable mask and confidence of `upsample_argmax`'s definition, in one go.

        Args:
            logits: (C, h, w) float32, in any layout.
            size: Size of the output.
            scale: Pixels of the output per node of the grid.
            drivable: (256,) uint8: per label, the value of the mask.
            lowest_confidence: Labels of a lower one are `IGNORE`.
            with_confidence: Compute the confidence, which `lowest_confidence` needs.

        Returns:
            (2, height, width) uint8, labels and mask, or with the confidence (3, height, width).
        """

    def depthwise(
        self, images: Tensor, weights: Tensor, biases: Tensor, stride: int, relu: bool
    ) -> Tensor:
        """3x3 convolution of each channel by itself, with padding 1, bias and ReLU.

        Args:
            images: (B, C / m, h, w), channels last; m outputs of each channel follow one another.
            weights: (3, 3, C), of the type of the images, as are the biases.
            biases: (C,).
            stride: 1 or 2.
            relu: Whether what is negative becomes 0.

        Returns:
            (B, C, h, w) or half of that size, rounded up; channels last.
        """

    def aggregate(
        self,
        fine: Tensor,
        gate: Tensor,
        coarse: Tensor,
        coarse_gate: Tensor,
        upsampling: Upsampling,
    ) -> Tensor:
        """What BiSeNet V2's two branches make of each other, before the last convolution:

            fine * sigmoid(up(gate)) + up(coarse * sigmoid(coarse_gate))

        Args:
            fine: (B, C, h, w), channels last.
            gate: (B, C, h/4, w/4), channels last, as the next two.
            coarse: See above.
            coarse_gate: See above.
            upsampling: How `up` grows by four.
        """


def kernels_for(device: torch.device) -> Kernels:
    """The kernels in Triton if they work on a device, otherwise those in torch.

    Triton needs a GPU, or to be told by TRITON_INTERPRET=1 to do without, which is for tests.
    """
    return _choose(device)[0]


def kernel_notes(device: torch.device) -> list[str]:
    """Why the kernels of a device are not those in Triton, in one line; empty if that is meant."""
    reason = _choose(device)[1]
    return [reason] if reason else []


@lru_cache(maxsize=8)
def _choose(device: torch.device) -> tuple[Kernels, str]:
    """The kernels, and why they are not those in Triton where they should be."""
    if device.type != 'cuda' and os.environ.get('TRITON_INTERPRET') != '1':
        return in_torch, ''
    try:
        from bisenet_ros.engine.kernels import in_triton
    except ImportError as error:
        return _instead_of_triton(error)
    try:
        with on_device(device):
            _draw_once(in_triton, device)
    except torch.cuda.OutOfMemoryError:  # says nothing about Triton, and passes
        raise
    # The GPU is too old, or there is no C compiler, or no headers of Python, which it needs, or (an
    # assertion) no libcuda where it looks for it.
    except (
        AssertionError,
        OSError,
        RuntimeError,
        subprocess.SubprocessError,
        in_triton.TritonError,
    ) as error:
        return _instead_of_triton(error)
    return in_triton, ''


def _instead_of_triton(error: Exception) -> tuple[Kernels, str]:
    return in_torch, (
        f'Triton does not work here ({first_line(error)}): torch does what its kernels would do, '
        'with the same results, but slower'
    )


def _draw_once(kernels: Kernels, device: torch.device) -> None:
    """Compile all variants of `draw`."""
    logits, drivable = torch.zeros(1, 4, 4), torch.zeros(256, dtype=torch.uint8)
    for with_confidence in (False, True):
        kernels.draw(
            logits.to(device), (32, 32), (8.0, 8.0), drivable.to(device), 0, with_confidence
        )
