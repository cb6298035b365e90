# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Computes the weights of `bisenet_ros.resizing.resize`, with which a GPU does the same.

A pixel of the output is a weighted sum of neighbouring pixels of the input, first along x, then
along y. There are two ways, both OpenCV's, to the last bit of its uint8 results:

- Where no axis grows, INTER_AREA: the mean of what a pixel covers, in float32, rounded once.
- Else the mean of two pixels per axis in fixed point, whose lowest bits are dropped on the way.
  Which two: where the image as a whole grows, it is INTER_LINEAR; where it shrinks, it is what
  OpenCV puts in the place of INTER_AREA.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Size = tuple[int, int]
"""(width, height)."""

_First = npt.NDArray[np.int64]
_Weights = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Taps:
    """What the pixels along one axis of the output are made of.

    Attributes:
        first: (pixels,) int32: the first pixel of the input that is part of it.
        weights: (pixels, count) float32: the weight of that one and of those after it. Beyond the
            ends of the input, its last pixels go on.
    """

    first: Tensor
    weights: Tensor

    @property
    def count(self) -> int:
        """How many pixels of the input one of the output is made of."""
        return self.weights.shape[1]


@dataclass(frozen=True)
class Resampling:
    """How an image of one size becomes one of another.

    Attributes:
        x: Along the width.
        y: Along the height.
        truncates: Whether sums along x, their products along y, and the result are rounded down;
            else only the result is rounded, to the nearest number, and from halves to the even one.
        scale: What the weighted sum is multiplied by before that.
        bias: What is then added.
    """

    x: Taps
    y: Taps
    truncates: bool
    scale: float
    bias: float

    @classmethod
    @lru_cache(maxsize=32)
    def between(cls, source: Size, target: Size, device: torch.device) -> Resampling:
        """What `resize` does to a frame of size `source`, on `device`."""
        factors = source[0] / target[0], source[1] / target[1]
        if min(factors) < 1:
            return _of_two(source, target, device)
        (x, x_sum), (y, y_sum) = (
            _of_covered(*pixels, device) for pixels in zip(source, target, strict=True)
        )
        # Of quarters, an eighth more takes halves up: OpenCV has a way of its own for exactly this
        # size, (a + b + c + d + 2) >> 2.
        bias = 0.125 if factors == (2, 2) else 0.0
        return cls(x, y, truncates=False, scale=1 / (x_sum * y_sum), bias=bias)


def _of_covered(source: int, target: int, device: torch.device) -> tuple[Taps, float]:
    """INTER_AREA along one axis, and the sum of its weights."""
    factor = source / target
    edges = np.arange(target + 1) * factor
    start, end = edges[:-1, None], edges[1:, None]
    # A thousandth of a pixel more is there by rounding alone.
    first = np.floor(start + 1e-3).astype(np.int64)
    last = np.ceil(end - 1e-3).astype(np.int64)  # the one after it
    covered = first + np.arange((last - first).max())  # (target, count)
    overlap = np.minimum(covered + 1, end) - np.maximum(covered, start)
    weights = np.where(covered < last, overlap, 0)
    if source % target == 0:  # whole pixels: OpenCV sums up and divides once
        return _taps(first[:, 0], np.ones_like(weights), device), factor
    return _taps(first[:, 0], weights / factor, device), 1.0


def _of_two(source: Size, target: Size, device: torch.device) -> Resampling:
    shrinks = target[0] * target[1] < source[0] * source[1]
    neighbours = _covering_two if shrinks else _nearest_two
    (x, x_fraction), (y, y_fraction) = (
        neighbours(*pixels) for pixels in zip(source, target, strict=True)
    )
    # At the ends of a row OpenCV takes one pixel, at those of a column the same one twice.
    beyond = (x < 0) | (x >= source[0] - 1)
    # After x 4 of 8 + 11 bits are dropped, after y 16 of 15 + 11, of the sum the last 2.
    return Resampling(
        _taps(x, _fixed_point(np.where(beyond, 0, x_fraction)) / 16, device),
        _taps(y, _fixed_point(y_fraction) / 65536, device),
        truncates=True,
        scale=0.25,
        bias=0.5,
    )


def _nearest_two(source: int, target: int) -> tuple[_First, npt.NDArray[np.float32]]:
    """INTER_LINEAR: the pixel before the centre of one of the output, and how far that is on."""
    position = ((np.arange(target) + 0.5) * (source / target) - 0.5).astype(np.float32)
    lower = np.floor(position)
    return lower.astype(np.int64), position - lower


def _covering_two(source: int, target: int) -> tuple[_First, npt.NDArray[np.float32]]:
    """The same for INTER_AREA where an axis grows."""
    lower = np.floor(np.arange(target) * (source / target)).astype(np.int64)
    end = np.arange(1, target + 1) - (lower + 1) * (target / source)
    return lower, np.where(end <= 0, 0, end - np.floor(end)).astype(np.float32)


def _fixed_point(fraction: npt.NDArray[np.float32]) -> _Weights:
    """The weights of two pixels in units of 1/2048."""
    return np.rint(2048 * np.stack((1 - fraction, fraction), axis=1)).astype(np.float64)


def _taps(first: _First, weights: _Weights, device: torch.device) -> Taps:
    return Taps(
        torch.from_numpy(first.astype(np.int32)).to(device),
        torch.from_numpy(weights.astype(np.float32)).to(device),
    )
