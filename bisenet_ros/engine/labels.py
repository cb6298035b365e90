# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Draws labels, drivable mask and confidence of a frame on the device that has its logits."""

from __future__ import annotations

import math
from functools import cached_property, lru_cache
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bisenet_ros.drivable import drivable_mask
from bisenet_ros.engine.device_failure import NotFiniteError
from bisenet_ros.engine.hardware import cpu_threads
from bisenet_ros.engine.kernels import kernels_for
from bisenet_ros.engine.pinned_memory import Download
from bisenet_ros.engine.streams import on_device
from bisenet_ros.engine.upsample_argmax import Scale, Size, upsample_argmax, upsample_confidence
from bisenet_ros.label_space import IGNORE

Image = npt.NDArray[np.uint8]
"""(H, W)."""


class Labels(Protocol):
    """What is drawn of one frame."""

    @property
    def labels(self) -> Image:
        """Class ids; `IGNORE` where the confidence is too low."""

    @property
    def confidence(self) -> Image:
        """The softmax probability of the best class times 255, also where not labelled."""

    @property
    def drivable(self) -> Image:
        """255 where the label is one of the drivable ones, else 0."""


def draw_labels(
    logits: Tensor,
    size: Size,
    scale: Scale,
    drivable_ids: tuple[int, ...],
    lowest_confidence: int,
) -> Labels:
    """Draw what coarse logits say about a frame.

    On a GPU this returns at once, and who looks at the labels waits for them: of several frames,
    all can be drawn before the first is looked at.

    Args:
        logits: As `upsample_argmax` takes them, as for the next two.
        size: Of what is drawn, (height, width): the frame's own or another.
        scale: Pixels of that per node of the grid of logits.
        drivable_ids: Labels that the mask is to show.
        lowest_confidence: 0 to 255: pixels of less are not labelled.

    Raises:
        NotFiniteError: The logits are not finite; on a GPU, who looks at the labels gets it.
    """
    drawn = HostLabels if logits.is_cpu else DeviceLabels
    return drawn(logits, size, scale, drivable_ids, lowest_confidence)


class HostLabels:
    """Drawn by the CPU: labels at once, all else when it is asked for."""

    def __init__(
        self,
        logits: Tensor,
        size: Size,
        scale: Scale,
        drivable_ids: tuple[int, ...],
        lowest_confidence: int,
    ) -> None:
        self._coarse = (logits, size, scale)
        self._drivable_ids = drivable_ids
        self._threads = torch.get_num_threads()
        # NumPy's, in this thread: torch would wake others up for it, which takes 100 times as long.
        with np.errstate(all='ignore'):
            _check_finite(float(logits.numpy().sum()), logits.device)
        self.labels = upsample_argmax(logits, size, scale)
        if lowest_confidence > 0:
            self.labels[self.confidence < lowest_confidence] = IGNORE

    @cached_property
    def confidence(self) -> Image:
        """See `Labels`."""
        with cpu_threads(self._threads):
            return upsample_confidence(*self._coarse)

    @cached_property
    def drivable(self) -> Image:
        """See `Labels`."""
        return drivable_mask(self.labels, self._drivable_ids)


class DeviceLabels:
    """Drawn by a GPU: labels and mask in one kernel, confidence when it is asked for."""

    def __init__(
        self,
        logits: Tensor,
        size: Size,
        scale: Scale,
        drivable_ids: tuple[int, ...],
        lowest_confidence: int,
    ) -> None:
        self._coarse = (logits, size, scale)
        self._table = _table(drivable_ids, logits.device)
        self._lowest_confidence = lowest_confidence
        self._sum = Download(logits.sum())
        planes = self._draw(with_confidence=lowest_confidence > 0)
        # One after the other: the labels leave while the mask is still on its way.
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
        return Download(self._draw(with_confidence=True)[2]).array()

    def _check(self) -> None:
        _check_finite(self._sum.array().item(), self._coarse[0].device)

    def _draw(self, with_confidence: bool) -> Tensor:
        logits, size, scale = self._coarse
        with torch.inference_mode(), on_device(logits.device):
            return kernels_for(logits.device).draw(
                logits, size, scale, self._table, self._lowest_confidence, with_confidence
            )


def _check_finite(total: float, device: torch.device) -> None:
    """Refuse logits by their sum, in which every NaN and infinity shows."""
    if not math.isfinite(total):
        raise NotFiniteError(
            f'the network computes numbers that are not finite on this {device.type}, of which no'
            ' labels can be made: try precision fp32, or engine torch'
        )


@lru_cache(maxsize=8)
def _table(drivable_ids: tuple[int, ...], device: torch.device) -> Tensor:
    """(256,) uint8: per label, the value of the mask."""
    table = torch.zeros(256, dtype=torch.uint8)
    table[list(drivable_ids)] = 255
    return table.to(device)
