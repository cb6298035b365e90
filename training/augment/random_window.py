# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A random part of a frame at a random scale."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bisenet_ros.label_space import IGNORE
from bisenet_ros.torchvision_import import import_torchvision
from bisenet_training.augment.settings import AugmentationSettings

tv_tensors = import_torchvision('tv_tensors')
v2 = import_torchvision('transforms.v2')
Transform: Any = v2.Transform

FILL = 114
"""Grey outside the frame, near the mean of most camera images."""

COUNTED = 4
"""Class shares in a window are estimated from every fourth label of every fourth row."""


@dataclass(frozen=True)
class Extent:
    """A window along one axis, in pixels.

    Attributes:
        length: Its length in the frame.
        size: Its length in the crop; less than the crop if the scaled frame is smaller.
        start: Its start in the frame.
        offset: Its start in the crop.
    """

    length: int
    size: int
    start: int = 0
    offset: int = 0


class RandomWindow(Transform):
    """Scales and crops a frame in one step, so that pixels outside the crop are not computed.

    RandomResizedCrop of torchvision draws the area of the window. This transform draws the scale,
    as in the papers. If the scaled frame is smaller than the crop, the image is padded with grey
    and the labels with `IGNORE`. A window that one class dominates is drawn again.

    Window borders lie between pixels. Image and labels are both sampled at the pixel centres of the
    crop, so they stay aligned: a point at x in the frame maps to
    `offset + (x - start) * size / length`, where the first pixel spans 0 to 1.

    Args:
        settings: Ranges and probabilities.
        crop: (width, height) of the result.
    """

    _transformed_types = (tv_tensors.Image, tv_tensors.Mask)

    def __init__(self, settings: AugmentationSettings, crop: tuple[int, int]) -> None:
        super().__init__()
        self.settings = settings
        self.crop = crop

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draws the window along x and y; it depends on the labels, an (H, W) uint8 Mask."""
        (labels,) = (value for value in flat_inputs if isinstance(value, tv_tensors.Mask))
        labels = labels.as_subclass(Tensor)
        height, width = labels.shape
        scale = _between(math.log(self.settings.min_scale), math.log(self.settings.max_scale))
        stretch = _between(-1, 1) * math.log(self.settings.aspect) / 2
        x = _extent(width, self.crop[0], math.exp(scale + stretch))
        y = _extent(height, self.crop[1], math.exp(scale - stretch))
        balanced = _between(0, 1) < self.settings.balanced
        for _ in range(self.settings.attempts):
            column, row = _pixel_of_some_class(labels) if balanced else (None, None)
            x = _place(x, width, self.crop[0], column)
            y = _place(y, height, self.crop[1], row)
            if self._is_varied(labels[y.start : y.start + y.length, x.start : x.start + x.length]):
                break
        return {'x': x, 'y': y}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Resamples an image (3, H, W) or a Mask (H, W), both uint8, to the size of the crop."""
        x, y = params['x'], params['y']
        is_labels = isinstance(inpt, tv_tensors.Mask)
        # By default, torchvision samples masks at pixel corners, half a pixel off.
        mode = v2.InterpolationMode
        pixels = v2.functional.resized_crop(
            inpt.as_subclass(Tensor)[None],
            *(y.start, x.start, y.length, x.length),
            size=[y.size, x.size],
            interpolation=mode.NEAREST_EXACT if is_labels else mode.BILINEAR,
            antialias=not is_labels,
        )
        right, bottom = self.crop[0] - x.size - x.offset, self.crop[1] - y.size - y.offset
        pixels = v2.functional.pad(
            pixels, [x.offset, y.offset, right, bottom], fill=IGNORE if is_labels else FILL
        )
        return tv_tensors.wrap(pixels[0], like=inpt)

    def _is_varied(self, labels: Tensor) -> bool:
        """Returns whether no class exceeds `max_class_share` in a window."""
        if self.settings.max_class_share == 1:
            return True
        counts = _class_counts(labels[::COUNTED, ::COUNTED])
        return bool(0 < counts.max() <= self.settings.max_class_share * counts.sum())


def _between(low: float, high: float) -> float:
    return low + (high - low) * torch.rand(()).item()


def _integer(stop: int) -> int:
    return int(torch.randint(stop, ()))


def _extent(frame: int, crop: int, scale: float) -> Extent:
    if frame * scale >= crop:
        return Extent(length=min(frame, max(1, round(crop / scale))), size=crop)
    return Extent(length=frame, size=max(1, round(frame * scale)))


def _place(extent: Extent, frame: int, crop: int, around: int | None) -> Extent:
    """Draws the place, with the pixel `around` in the middle half if the frame allows it."""
    room = frame - extent.length
    if around is None:
        start = _integer(room + 1)
    else:
        start = round(around - _between(0.25, 0.75) * extent.length)
    offset = _integer(crop - extent.size + 1)
    return Extent(extent.length, extent.size, min(max(start, 0), room), offset)


def _class_counts(labels: Tensor) -> Tensor:
    """Returns the number of pixels per label, (255,)."""
    return torch.bincount(labels.flatten(), minlength=IGNORE + 1)[:IGNORE]


def _pixel_of_some_class(labels: Tensor) -> tuple[int, int] | tuple[None, None]:
    """Draws a pixel (column, row) of a uniformly drawn class; None if no pixel has a class."""
    present = _class_counts(labels).nonzero()
    if not len(present):
        return None, None
    drawn = present[_integer(len(present))]
    # NumPy is ten times as fast as torch at this.
    places = np.flatnonzero((labels == drawn).numpy())
    row, column = divmod(int(places[_integer(len(places))]), labels.shape[1])
    return column, row
