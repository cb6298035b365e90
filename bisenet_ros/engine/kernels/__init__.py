# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""GPU kernels that prepare frames, run parts of the network, and draw labels.

The kernels are written in Triton. Where Triton does not work, torch does the same with many
kernels. Only `kernels_for` imports Triton, because torch for CPUs comes without it.
"""

from __future__ import annotations

import os
import subprocess
from functools import lru_cache
from typing import Protocol

import torch
from torch import Tensor

from bisenet_ros.engine.device_failure import is_of_device
from bisenet_ros.engine.kernels import in_torch
from bisenet_ros.engine.kernels.resampling import Resampling
from bisenet_ros.engine.streams import on_device
from bisenet_ros.engine.upsample_argmax import Scale, Shape
from bisenet_ros.errors import first_line
from bisenet_ros.network import Upsampling
from bisenet_ros.preprocess import Normalization


class Kernels(Protocol):
    """The interface of `in_triton` and `in_torch`, which give the same results."""

    def prepare(
        self, frame: Tensor, target: Tensor, resampling: Resampling, normalization: Normalization
    ) -> None:
        """Resizes and normalises a camera's frame.

        Args:
            frame: (H, W, 3) uint8 BGR.
            target: (h, w, 3) of any floating type, with contiguous channels; receives the result.
            resampling: From the frame's size to the target's.
            normalization: The normalisation that the network expects.
        """

    def draw(
        self,
        logits: Tensor,
        size: Shape,
        scale: Scale,
        drivable: Tensor,
        min_confidence: int,
        min_drivable_confidence: int,
        *,
        with_confidence: bool,
    ) -> Tensor:
        """Draws labels, drivable mask and confidence, as the module `upsample_argmax` defines them.

        Args:
            logits: (C, h, w) float32, in any layout.
            size: Size of the output.
            scale: Output pixels per node of the grid.
            drivable: (256,) uint8: the mask's value for each label.
            min_confidence: Labels with a lower confidence become `IGNORE`.
            min_drivable_confidence: Pixels with a lower confidence are not drivable.
            with_confidence: Compute the confidence. Without it, both minima must be 0.

        Returns:
            (2, height, width) uint8, labels and mask; (3, height, width) with the confidence.
        """

    def depthwise(
        self, images: Tensor, weights: Tensor, biases: Tensor, stride: int, relu: bool
    ) -> Tensor:
        """Computes a depth-wise 3x3 convolution with padding 1, bias and optional ReLU.

        Args:
            images: (B, C / m, h, w), channels last. The m outputs of a channel are adjacent.
            weights: (3, 3, C), of the images' type.
            biases: (C,), of the images' type.
            stride: 1 or 2.
            relu: Whether to apply ReLU.

        Returns:
            (B, C, h, w), or half that size, rounded up, at stride 2; channels last.
        """

    def aggregate(
        self,
        fine: Tensor,
        gate: Tensor,
        coarse: Tensor,
        coarse_gate: Tensor,
        upsampling: Upsampling,
    ) -> Tensor:
        """Combines BiSeNet V2's two branches, before the last convolution:

            fine * sigmoid(up(gate)) + up(coarse * sigmoid(coarse_gate))

        Args:
            fine: (B, C, h, w), channels last.
            gate: (B, C, h/4, w/4), channels last.
            coarse: Like `gate`.
            coarse_gate: Like `gate`.
            upsampling: How `up` upsamples by four.
        """

    def concatenate_pooled(self, features: Tensor, images: Tensor) -> Tensor:
        """Max-pools images, 3x3 at stride 2 with padding 1, and appends the result to features.

        NaN counts as the largest value.

        Args:
            features: (B, C, h/2, w/2), halves rounded up; channels last.
            images: (B, C, h, w), channels last.

        Returns:
            (B, 2 * C, h/2, w/2), channels last: the features, then the pooled images.
        """


def kernels_for(device: torch.device) -> Kernels:
    """Returns the kernels in Triton if they work on a device, otherwise those in torch.

    Triton needs a GPU, or for tests TRITON_INTERPRET=1.
    """
    return _choose(device)[0]


def kernel_notes(device: torch.device) -> list[str]:
    """Says in one line why a GPU does not use the kernels in Triton; empty if nothing is wrong."""
    reason = _choose(device)[1]
    return [reason] if reason else []


@lru_cache(maxsize=8)
def _choose(device: torch.device) -> tuple[Kernels, str]:
    """Returns the kernels, and why they are not those in Triton although they should be."""
    if device.type != 'cuda' and os.environ.get('TRITON_INTERPRET') != '1':
        return in_torch, ''
    try:
        from bisenet_ros.engine.kernels import in_triton
    except ImportError as error:
        return _instead_of_triton(error)
    try:
        with on_device(device):
            _draw_once(in_triton, device)
    # The GPU is too old, or Triton finds no C compiler, no headers of Python or (an assertion) no
    # libcuda.
    except (
        AssertionError,
        OSError,
        RuntimeError,
        subprocess.SubprocessError,
        in_triton.TritonError,
    ) as error:
        if is_of_device(error):  # which is no failure of Triton, and may be temporary
            raise
        return _instead_of_triton(error)
    return in_triton, ''


def _instead_of_triton(error: Exception) -> tuple[Kernels, str]:
    return in_torch, (
        f'Triton does not work here ({first_line(error)}): torch does what its kernels would do, '
        'with the same results, but slower'
    )


def _draw_once(kernels: Kernels, device: torch.device) -> None:
    """Compiles all variants of `draw`."""
    logits = torch.zeros(1, 4, 4, dtype=torch.float32, device=device)
    drivable = torch.zeros(256, dtype=torch.uint8, device=device)
    for variant in (False, True):
        kernels.draw(logits, (32, 32), (8.0, 8.0), drivable, 0, 0, with_confidence=variant)
