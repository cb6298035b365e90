# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Test-time augmentation: averages predictions over several views of a frame.

The papers use scales and mirror images for their best figures. Sliding crops are common for
networks that were trained on crops. All of these are too slow for a vehicle. Softmax probabilities
are averaged at the size of the frame.
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
from bisenet_ros.limits import MAX_SIDE, MIN_SIDE
from bisenet_ros.model_settings import ModelSettings
from bisenet_ros.network import fold_batch_norm
from bisenet_ros.resizing import resize
from bisenet_training.evaluation.predictor import Pixels

STRIDE = 2 / 3
"""Default stride of crops as a fraction of the crop, as in published results."""


@dataclass(frozen=True)
class Views:
    """The views of a frame.

    Attributes:
        scales: Scales relative to the network size.
        flip: Also use the mirror image of each view.
        crop: (width, height) of a window that slides over the scaled frame; None for no window.
            A smaller frame is used as a whole.
        stride: Stride of the window as a fraction of its size.

    Raises:
        UserError: A value is out of range.
    """

    scales: tuple[float, ...] = (1.0,)
    flip: bool = False
    crop: tuple[int, int] | None = None
    stride: float = STRIDE

    def __post_init__(self) -> None:
        if not self.scales or not all(0 < scale < math.inf for scale in self.scales):
            raise UserError(
                f'scales must be numbers above 0, such as 0.75,1,1.25, not {list(self.scales)}'
            )
        if self.crop is not None and min(self.crop) < MIN_SIDE:
            raise UserError(
                f'a crop must be at least {MIN_SIDE} pixels wide and high, not '
                f'{self.crop[0]}x{self.crop[1]}'
            )
        if not 0 < self.stride <= 1:
            raise UserError(
                f'stride must be a fraction of the crop, above 0 and up to 1, not {self.stride}'
            )

    @property
    def plain(self) -> bool:
        """Whether this is the single view that the vehicle uses."""
        return self.scales == (1.0,) and not self.flip and self.crop is None


@dataclass(frozen=True)
class AveragedPrediction:
    """The best class of the averaged probabilities, and its probability; both (H, W) uint8."""

    labels: Pixels
    confidence: Pixels


class MultiViewPredictor:
    """Segments frames by averaging over several views of each frame.

    Attributes:
        label_space: Label space of the checkpoint.
        views: The views.
        network_size: (width, height) at scale 1.
        device: `cpu` or `cuda:N`.
        precision: `fp16`, `bf16` or `fp32`, of the network; probabilities are float32.
        drivable_threshold: The setting; a claim holds for a single view only.

    Args:
        checkpoint: The network.
        views: The views.
        settings: Settings of the model; `engine` is not read: torch runs the network.

    Raises:
        UserError: Device or precision is not available, or a scale makes frames too small or large.
    """

    engine = 'torch'

    def __init__(self, checkpoint: Checkpoint, views: Views, settings: ModelSettings) -> None:
        self.label_space = checkpoint.label_space
        self.views = views
        self.network_size = settings.requested_network_size or checkpoint.network_size
        self._min_confidence = settings.min_confidence
        self.drivable_threshold = settings.drivable_threshold
        self._device = resolve_device(settings.device)
        self.device = str(self._device)
        self.precision = resolve_precision(settings.precision, self._device)
        self._dtype = DTYPES[self.precision]
        self._threads = settings.cpu_threads
        self._normalization = checkpoint.normalization
        self._network = fold_batch_norm(checkpoint.build()).to(self._device, self._dtype)
        self._sizes = [self._scaled(scale) for scale in views.scales]

    def __call__(self, frame: Pixels) -> AveragedPrediction:
        """Labels a frame, (H, W, 3) uint8 BGR."""
        with cpu_threads(self._threads):
            best, ids = self.probabilities(frame).max(0)
        labels = ids.to(torch.uint8).cpu().numpy()
        confidence = (255 * best).round().to(torch.uint8).cpu().numpy()
        labels[confidence < self._min_confidence] = IGNORE
        return AveragedPrediction(labels, confidence)

    @torch.inference_mode()
    def probabilities(self, frame: Pixels) -> Tensor:
        """Averages over the views: (H, W, 3) uint8 BGR -> (classes, H, W) float32 probabilities."""
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
                f'a scale of {scale:g} makes frames {width}x{height}, but the network needs at '
                f'least {MIN_SIDE}x{MIN_SIDE}'
            )
        if max(width, height) > MAX_SIDE:
            raise UserError(
                f'a scale of {scale:g} makes frames {width}x{height}, over the limit of {MAX_SIDE} '
                'pixels per side'
            )
        return width, height

    def _whole(self, view: Pixels, size: tuple[int, int]) -> Tensor:
        """Returns the probabilities (classes, H, W) of a view from one forward pass."""
        logits = self._logits(view)  # (1 or 2, classes, h, w)
        height, width = view.shape[:2]
        scale = scale_to(size, (width, height))
        upsampled = torch.ops.aten.upsample_bilinear2d(logits, size, False, *scale)
        return _mean_of_mirrored(upsampled.softmax(1))

    def _windows(self, view: Pixels, crop: tuple[int, int], size: tuple[int, int]) -> Tensor:
        """Returns the probabilities (classes, H, W) of a view, averaged over its windows."""
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
        """Returns coarse logits (1 or 2, classes, h, w) of a view and, with `flip`, its mirror."""
        shown = np.stack([view, view[:, ::-1]] if self.views.flip else [view])
        pixels = torch.from_numpy(shown).to(self._device)  # (1 or 2, h, w, 3)
        return self._network.coarse(self._normalization(pixels).to(self._dtype)).float()


def window_slices(length: int, window: int, stride: float) -> Iterator[slice]:
    """Yields the positions of a window along an axis; the last one is at the end.

    Args:
        length: Length of the axis, in pixels.
        window: Length of the window; limited to the axis.
        stride: Stride as a fraction of the window.
    """
    window = min(window, length)
    step = math.ceil(window * stride)
    for number in range(math.ceil((length - window) / step) + 1):
        start = min(number * step, length - window)
        yield slice(start, start + window)


def _mean_of_mirrored(probabilities: Tensor) -> Tensor:
    """Averages (1 or 2, classes, H, W) over the first axis; flips the second one back.

    Flipping happens only here, because the padding is at the right of the mirror image too.
    """
    if len(probabilities) == 1:
        return probabilities[0]
    return (probabilities[0] + probabilities[1].flip(-1)) / 2
