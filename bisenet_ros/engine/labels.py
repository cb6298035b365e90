# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Draws labels, mask, confidence and anomaly of a frame on the device that holds its logits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bisenet_ros.drivable import drivable_mask, without_low_confidence
from bisenet_ros.engine.device_failure import NotFiniteError
from bisenet_ros.engine.hardware import cpu_threads
from bisenet_ros.engine.kernels import kernels_for
from bisenet_ros.engine.pinned_memory import Download
from bisenet_ros.engine.streams import on_device
from bisenet_ros.engine.upsample_argmax import Scale, Shape, upsample_argmax, upsample_confidence
from bisenet_ros.label_space import IGNORE
from bisenet_ros.trust.anomaly import MaxLogits

Image = npt.NDArray[np.uint8]
"""(H, W)."""


@dataclass(frozen=True)
class DrawSettings:
    """What affects labels and mask, apart from the logits.

    Attributes:
        drivable_ids: Labels that count as drivable in the mask.
        min_confidence: 0 to 255. Pixels below it become `IGNORE`.
        min_drivable_confidence: 0 to 255. Pixels below it are not drivable.
        max_logits: Statistics for the anomaly; None without them.
    """

    drivable_ids: tuple[int, ...]
    min_confidence: int = 0
    min_drivable_confidence: int = 0
    max_logits: MaxLogits | None = None


class Labels(Protocol):
    """The results for one frame."""

    @property
    def labels(self) -> Image:
        """Class ids; `IGNORE` where the confidence is too low."""

    @property
    def confidence(self) -> Image:
        """The softmax probability of the best class times 255, also for pixels without a label."""

    @property
    def drivable(self) -> Image:
        """255 where the label is drivable and the confidence suffices, else 0."""

    @property
    def anomaly(self) -> Image | None:
        """How unlike any known class, 0 to 255; None without statistics of the logits."""


def draw_labels(logits: Tensor, size: Shape, scale: Scale, settings: DrawSettings) -> Labels:
    """Draws the labels of a frame from its coarse logits.

    On a GPU this returns at once, and reading the labels waits for them. So several frames can be
    drawn before the first is read.

    Args:
        logits: See `upsample_argmax`.
        size: (height, width) of the output: the frame's own or another.
        scale: Output pixels per node of the grid of logits.
        settings: See `DrawSettings`.

    Raises:
        NotFiniteError: The logits are not finite. On a GPU, reading the labels raises it.
    """
    drawn = HostLabels if logits.is_cpu else DeviceLabels
    return drawn(logits, size, scale, settings)


class HostLabels:
    """Drawn by the CPU: the labels at once, the rest on demand."""

    def __init__(self, logits: Tensor, size: Shape, scale: Scale, settings: DrawSettings) -> None:
        self._coarse = (logits, size, scale)
        self._settings = settings
        self._threads = torch.get_num_threads()
        # NumPy sums in this thread. torch would wake other threads, which takes 100 times as long.
        with np.errstate(all='ignore'):
            _check_finite(float(logits.numpy().sum()), logits.device)
        self.labels = upsample_argmax(logits, size, scale)
        if settings.min_confidence > 0:
            self.labels[self.confidence < settings.min_confidence] = IGNORE

    @cached_property
    def confidence(self) -> Image:
        """See `Labels`."""
        with cpu_threads(self._threads):
            return upsample_confidence(*self._coarse)

    @cached_property
    def drivable(self) -> Image:
        """See `Labels`."""
        mask = drivable_mask(self.labels, self._settings.drivable_ids)
        lowest = self._settings.min_drivable_confidence
        if lowest > 0:
            mask = without_low_confidence(mask, self.confidence, lowest)
        return mask

    @cached_property
    def anomaly(self) -> Image | None:
        """See `Labels`."""
        logits, size, scale = self._coarse
        return _anomaly(self._settings.max_logits, logits, size, scale)


class DeviceLabels:
    """Drawn by a GPU: labels and mask in one kernel, confidence on demand."""

    def __init__(self, logits: Tensor, size: Shape, scale: Scale, settings: DrawSettings) -> None:
        self._coarse = (logits, size, scale)
        self._settings = settings
        self._table = _table(settings.drivable_ids, logits.device)
        self._sum = Download(logits.sum())
        thresholds = settings.min_confidence, settings.min_drivable_confidence
        planes = self._draw(with_confidence=any(thresholds))
        self._drawn_confidence = planes[2] if len(planes) == 3 else None
        # Two downloads, so that the labels can be used while the mask is still being copied.
        self._labels, self._drivable = Download(planes[0]), Download(planes[1])

    @property
    def labels(self) -> Image:
        """See `Labels`."""
        self._check()
        return self._labels.array()

    @property
    def drivable(self) -> Image:
        """See `Labels`."""
        self._check()
        return self._drivable.array()

    @cached_property
    def confidence(self) -> Image:
        """See `Labels`."""
        self._check()
        drawn = self._drawn_confidence
        return Download(self._draw(with_confidence=True)[2] if drawn is None else drawn).array()

    @cached_property
    def anomaly(self) -> Image | None:
        """See `Labels`."""
        self._check()
        logits, size, scale = self._coarse
        return _anomaly(self._settings.max_logits, logits, size, scale)

    def _check(self) -> None:
        _check_finite(self._sum.array().item(), self._coarse[0].device)

    def _draw(self, with_confidence: bool) -> Tensor:
        device = self._coarse[0].device
        with torch.inference_mode(), on_device(device):
            return kernels_for(device).draw(
                *self._coarse,
                self._table,
                self._settings.min_confidence,
                self._settings.min_drivable_confidence,
                with_confidence=with_confidence,
            )


def _check_finite(total: float, device: torch.device) -> None:
    """Checks logits by their sum, which any NaN or infinity makes non-finite."""
    if not math.isfinite(total):
        raise NotFiniteError(
            f'the logits of the network are not finite on this {device.type}, so there are no'
            ' labels: try precision fp32, or engine torch'
        )


def _anomaly(
    max_logits: MaxLogits | None, logits: Tensor, size: Shape, scale: Scale
) -> Image | None:
    if max_logits is None:
        return None
    return max_logits.anomaly(logits.float().cpu().numpy(), size, scale)


@lru_cache(maxsize=8)
def _table(drivable_ids: tuple[int, ...], device: torch.device) -> Tensor:
    """Returns (256,) uint8: the mask's value for each label."""
    table = torch.zeros(256, dtype=torch.uint8)
    table[list(drivable_ids)] = 255
    return table.to(device)
