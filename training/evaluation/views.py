# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A frame shown to the network several times, and what it says averaged.

Scales and mirror images are how the papers reach their best figures, and sliding crops how networks
that were trained on crops are evaluated; no vehicle has the time for it. Averaged are the softmax
probabilities, at the size of the frame.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from bisenet_ros.checkpoint import Checkpoint
from bisenet_ros.engine.hardware import DTYPES, cpu_threads, resolve_device, resolve_precision
from bisenet_ros.engine.upsample_argmax import scale_to
from bisenet_ros.errors import UserError
from bisenet_ros.label_space import IGNORE
from bisenet_ros.limits import MIN_SIDE
from bisenet_ros.model_settings import ModelSettings
from bisenet_ros.network import fold_batch_norm
from bisenet_ros.resizing import resize
from bisenet_training.evaluation.predictor import Pixels

STRIDE = 2 / 3
"""From one crop to the next, as a share of the crop: what published figures were made with."""


@dataclass(frozen=True)
class Views:
    """What of a frame the network is shown.

    Attributes:
        scales: Sizes at which it is shown, relative to the network size.
        flip: Show the mirror image of each view, too.
        crop: (width, height) of a window that slides over the scaled frame; None for all at once.
            A frame that is smaller than the window is shown as it is.
        stride: How far the window moves, as a share of its size.

    Raises:
        UserError: A value is out of range.
    """

    scales: tuple[float, ...] = (1.0,)
    flip: bool = False
    crop: tuple[int, int] | None = None
    stride: float = STRIDE

    def __post_init__(self) -> None:
        if not self.scales or not all(0 < scale < math.inf for scale in self.scales):
            raise UserError(f'scales are numbers above 0, as in 0.75,1,1.25, not {self.scales}')
        if self.crop is not None and min(self.crop) < MIN_SIDE:
            raise UserError(
                f'a crop is at least {MIN_SIDE} pixels wide and high, not '
                f'{self.crop[0]}x{self.crop[1]}'
            )
        if not 0 < self.stride <= 1:
            raise UserError(
                f'stride is a share of the crop, above 0 and up to 1, not {self.stride}'
            )

    @property
    def plain(self) -> bool:
        """Whether this is the one view that the vehicle has time for."""
        return self.scales == (1.0,) and not self.flip and self.crop is None


@dataclass(frozen=True)
class AveragedPrediction:
    """The best class of the averaged probabilities, and its probability; both (H, W) uint8."""

    labels: Pixels
    confidence: Pixels


class MultiViewPredictor:
    """Labels frames by the mean over several views of each.

    Attributes:
        label_space: The checkpoint's.
        views: What the network is shown.
        network_size: (width, height) at a scale of 1.
        device: `cpu` or `cuda:N`.
        precision: `fp16`, `bf16` or `fp32`, of the network; probabilities are float32.

    Args:
        checkpoint: The network.
        views: What to show it.
        settings: How; torch runs it, whatever `engine` says.

    Raises:
        UserError: The device or its precision is not there, or a scale makes frames too small.
    """

    engine = 'torch'

    def __init__(self, checkpoint: Checkpoint, views: Views, settings: ModelSettings) -> None:
        self.label_space = checkpoint.label_space
        self.views = views
        self.network_size = settings.size or checkpoint.network_size
        self._least_confidence = settings.least_confidence
        self._device = resolve_device(settings.device)
        self.device = str(self._device)
        self.precision = resolve_precision(settings.precision, self._device)
        self._dtype = DTYPES[self.precision]
        self._threads = settings.cpu_threads
        self._normalization = checkpoint.normalization
        self._network = fold_batch_norm(checkpoint.build()).to(self._device, self._dtype)
        self._sizes = [self._scaled(scale) for scale in views.scales]

    def __call__(self, frame: Pixels) -> AveragedPrediction:
        """Label a frame, (H, W, 3) uint8 BGR."""
        with cpu_threads(self._threads):
            best, ids = self.probabilities(frame).max(0)
        labels = ids.to(torch.uint8).cpu().numpy()
        confidence = (255 * best).round().to(torch.uint8).cpu().numpy()
        labels[confidence < self._least_confidence] = IGNORE
        return AveragedPrediction(labels, confidence)

    @torch.inference_mode()
    def probabilities(self, frame: Pixels) -> Tensor:
        """(H, W, 3) uint8 BGR -> (classes, H, W) float32 probabilities, the mean of all views."""
        height, width = frame.shape[:2]
        total = torch.zeros(len(self.label_space), height, width, device=self._device)
        for size in self._sizes:
            scaled = resize(frame, size)
            if self.views.crop is None:
                total += self._whole(scaled, (height, width))
            else:
                total += self._windows(scaled, self.views.crop, (height, width))
        return total / len(self._sizes)

    def _scaled(self, scale: float) -> tuple[int, int]:
        width, height = (round(scale * length) for length in self.network_size)
        if min(width, height) < MIN_SIDE:
            raise UserError(
                f'a scale of {scale:g} makes frames {width}x{height}: too small for the network, '
                f'which takes frames from {MIN_SIDE}x{MIN_SIDE}'
            )
        return width, height

    def _whole(self, view: Pixels, size: tuple[int, int]) -> Tensor:
        """Probabilities (classes, H, W) of all of a view, from its logits at once."""
        logits = self._logits(view)  # (1 or 2, classes, h, w)
        height, width = view.shape[:2]
        scale = scale_to(size, (width, height))
        upsampled = torch.ops.aten.upsample_bilinear2d(logits, size, False, *scale)
        return _mean_of_mirrored(upsampled.softmax(1))

    def _windows(self, view: Pixels, crop: tuple[int, int], size: tuple[int, int]) -> Tensor:
        """Probabilities (classes, H, W) of a view, the mean of the windows that see a pixel."""
        height, width = view.shape[:2]
        total = torch.zeros(len(self.label_space), height, width, device=self._device)
        windows = torch.zeros(height, width, device=self._device)
        for rows in window_slices(height, crop[1], self.views.stride):
            for columns in window_slices(width, crop[0], self.views.stride):
                window = view[rows, columns]
                total[:, rows, columns] += self._whole(window, window.shape[:2])
                windows[rows, columns] += 1
        upsampled = torch.nn.functional.interpolate(
            (total / windows)[None], size, mode='bilinear', align_corners=False
        )
        return upsampled[0]

    def _logits(self, view: Pixels) -> Tensor:
        """Coarse logits (1, classes, h, w) of a view; of its mirror image, too, if wanted."""
        shown = np.stack([view, view[:, ::-1]] if self.views.flip else [view])
        pixels = torch.from_numpy(shown).to(self._device)  # (1 or 2, h, w, 3)
        return self._network.coarse(self._normalization(pixels).to(self._dtype)).float()


def window_slices(length: int, window: int, stride: float) -> Iterator[slice]:
    """The places of a window along an axis: `stride` windows apart, the last one at the end.

    Args:
        length: Of the axis, in pixels.
        window: Of the window; where the axis is shorter, the window is as short.
        stride: Share of the window.
    """
    window = min(window, length)
    step = math.ceil(window * stride)
    for number in range(math.ceil((length - window) / step) + 1):
        start = min(number * step, length - window)
        yield slice(start, start + window)


def _mean_of_mirrored(probabilities: Tensor) -> Tensor:
    """(1, ...) as it is, or (2, classes, H, W) with the second turned back; without the first axis.

    Turned back only now: padding is at the right of the mirror image, too.
    """
    if len(probabilities) == 1:
        return probabilities[0]
    return (probabilities[0] + probabilities[1].flip(-1)) / 2
