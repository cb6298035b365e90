# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Computes the weights with which a GPU resizes as `bisenet_ros.resizing.resize` does.

An output pixel is a weighted sum of neighbouring input pixels, first along x, then along y. There
are two methods, both OpenCV's, with bit-identical uint8 results:

- If no axis grows, INTER_AREA: the mean of the covered area, in float32, rounded once.
- Otherwise the weighted mean of two pixels per axis in fixed point, which drops the lowest bits on
  the way. If the image grows as a whole, this is INTER_LINEAR. If it shrinks, it is what OpenCV
  uses in place of INTER_AREA.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Size = tuple[int, int]
"""(width, height)."""

_First = npt.NDArray[np.int64]
_Weights = npt.NDArray[np.float32] | npt.NDArray[np.int32]


@dataclass(frozen=True)
class Taps:
    """The input pixels that make up the output pixels along one axis.

    Attributes:
        first: (pixels,) int32: the first input pixel of each output pixel.
        weights: (pixels, count) float32, or int32 if the resampling truncates: the weights of that
            input pixel and of those after it. Beyond the ends of the input, its outermost pixels
            repeat.
    """

    first: Tensor
    weights: Tensor

    @property
    def count(self) -> int:
        """How many input pixels make up an output pixel."""
        return self.weights.shape[1]


@dataclass(frozen=True)
class Resampling:
    """How to resize an image from one size to another.

    Attributes:
        x: Along the width.
        y: Along the height.
        truncates: Whether weights are in units of 1/2048 and bits are dropped: 4 of sums along x,
            16 of their products along y, and 2 of the result, which is rounded. Otherwise only the
            result is rounded, to nearest, ties to even.
        scale: Factor of the weighted sum, before the result is rounded; unused if it truncates.
        bias: Added to that product, before the result is rounded; unused if it truncates.
    """

    x: Taps
    y: Taps
    truncates: bool
    scale: float = 1.0
    bias: float = 0.0

    @classmethod
    @lru_cache(maxsize=32)
    def between(cls, source: Size, target: Size, device: torch.device) -> Resampling:
        """Returns what `resize` does to a frame of size `source`, as tables on `device`."""
        scales = tuple(_scale(*pixels) for pixels in zip(source, target, strict=True))
        if min(scales) < 1:
            return _of_two(source, target, device)
        # Then OpenCV adds whole pixels and divides once.
        whole = all(scale.is_integer() for scale in scales)
        x, y = (_of_covered(*pixels, whole, device) for pixels in zip(source, target, strict=True))
        # The mean of four pixels is in quarters, so adding an eighth rounds halves up. OpenCV has a
        # special case for exactly this factor: (a + b + c + d + 2) >> 2.
        bias = 0.125 if scales == (2, 2) else 0.0
        scale = 1 / math.prod(scales) if whole else 1.0
        return cls(x, y, truncates=False, scale=scale, bias=bias)


def _scale(source: int, target: int) -> float:
    """Returns input pixels per output pixel, as OpenCV rounds them: 1 / (target / source)."""
    return 1 / (target / source)


def _of_covered(source: int, target: int, whole: bool, device: torch.device) -> Taps:
    """Computes INTER_AREA along one axis; the weights are 1 if `whole`, otherwise their sum is."""
    scale = _scale(source, target)
    edges = np.arange(target + 1) * scale
    start, end = edges[:-1, None], edges[1:, None]
    # An overlap below a thousandth of a pixel comes from rounding.
    first = np.floor(start + 1e-3).astype(np.int64)
    last = np.ceil(end - 1e-3).astype(np.int64)  # one past the last
    covered = first + np.arange((last - first).max())  # (target, count)
    overlap = np.minimum(covered + 1, end) - np.maximum(covered, start)
    weights = np.where(covered < last, overlap, 0) / (1 if whole else scale)
    return _taps(first[:, 0], weights.astype(np.float32), device)


def _of_two(source: Size, target: Size, device: torch.device) -> Resampling:
    shrinks = target[0] * target[1] < source[0] * source[1]
    neighbours = _covering_two if shrinks else _nearest_two
    (x, x_fraction), (y, y_fraction) = (
        neighbours(*pixels) for pixels in zip(source, target, strict=True)
    )
    # At the ends of a row OpenCV uses one pixel; at the ends of a column, the same pixel twice.
    beyond = (x < 0) | (x >= source[0] - 1)
    return Resampling(
        _taps(x, _fixed_point(np.where(beyond, 0, x_fraction)), device),
        _taps(y, _fixed_point(y_fraction), device),
        truncates=True,
    )


def _nearest_two(source: int, target: int) -> tuple[_First, npt.NDArray[np.float32]]:
    """INTER_LINEAR: returns the input pixel before each output centre, and the distance to it."""
    position = ((np.arange(target) + 0.5) * _scale(source, target) - 0.5).astype(np.float32)
    lower = np.floor(position)
    return lower.astype(np.int64), position - lower


def _covering_two(source: int, target: int) -> tuple[_First, npt.NDArray[np.float32]]:
    """Returns the same for INTER_AREA if an axis grows."""
    lower = np.floor(np.arange(target) * _scale(source, target)).astype(np.int64)
    end = (np.arange(1, target + 1) - (lower + 1) * (target / source)).astype(np.float32)
    return lower, np.where(end <= 0, np.float32(0), end - np.floor(end))


def _fixed_point(fraction: npt.NDArray[np.float32]) -> _Weights:
    """Returns the weights of two pixels in units of 1/2048."""
    return np.rint(2048 * np.stack((1 - fraction, fraction), axis=1)).astype(np.int32)


def _taps(first: _First, weights: _Weights, device: torch.device) -> Taps:
    return Taps(
        torch.from_numpy(first.astype(np.int32)).to(device),
        torch.from_numpy(weights).to(device),
    )
