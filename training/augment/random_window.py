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
"""Grey outside the frame, near the mean of most cameras' images."""

COUNTED = 4
"""The share of classes in a window is estimated from every fourth label of every fourth row."""


@dataclass(frozen=True)
class Extent:
    """What a window is along one axis, in pixels.

    Attributes:
        length: What it takes of the frame.
        size: What that becomes in the crop. Less than the crop where the whole scaled frame is.
        start: Where it begins in the frame.
        offset: Where it is put in the crop.
    """

    length: int
    size: int
    start: int = 0
    offset: int = 0


class RandomWindow(Transform):
    """Scales a frame and cuts a crop out of it, in one step: pixels outside are never computed.

    torchvision's own RandomResizedCrop draws the area of the window, this one draws the scale, as
    the papers do, and pads where the scaled frame is smaller than the crop: the image with grey,
    the labels with `IGNORE`. A window is drawn again while one class fills it.

    Windows begin and end between pixels, and image and labels are both sampled at the centres of
    the crop's pixels, so they stay together: a point at x of the frame comes to lie at
    `offset + (x - start) * size / length`, where the first pixel reaches from 0 to 1.

    Args:
        settings: What to choose.
        crop: (width, height) of the result.
    """

    _transformed_types = (tv_tensors.Image, tv_tensors.Mask)

    def __init__(self, settings: AugmentationSettings, crop: tuple[int, int]) -> None:
        super().__init__()
        self.settings = settings
        self.crop = crop

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The window along x and y, drawn with regard to the labels, a (H, W) uint8 Mask."""
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
        """An Image (3, H, W) or a Mask (H, W) -> the same at the size of the crop, both uint8."""
        x, y = params['x'], params['y']
        is_labels = isinstance(inpt, tv_tensors.Mask)
        # By itself torchvision samples masks at the corners of pixels, half a pixel off.
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
        """Whether no class holds more than its share of a window."""
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
    """Anywhere, or so that the pixel `around` is in the middle half, as far as the frame allows."""
    room = frame - extent.length
    if around is None:
        start = _integer(room + 1)
    else:
        start = round(around - _between(0.25, 0.75) * extent.length)
    offset = _integer(crop - extent.size + 1)
    return Extent(extent.length, extent.size, min(max(start, 0), room), offset)


def _class_counts(labels: Tensor) -> Tensor:
    """(255,) how many pixels have each label."""
    return torch.bincount(labels.flatten(), minlength=IGNORE + 1)[:IGNORE]


def _pixel_of_some_class(labels: Tensor) -> tuple[int, int] | tuple[None, None]:
    """(column, row) of a pixel of a class drawn evenly from those there; None if there are none."""
    present = _class_counts(labels).nonzero()
    if not len(present):
        return None, None
    drawn = present[_integer(len(present))]
    # NumPy is ten times as fast as torch at this.
    places = np.flatnonzero((labels == drawn).numpy())
    row, column = divmod(int(places[_integer(len(places))]), labels.shape[1])
    return column, row
