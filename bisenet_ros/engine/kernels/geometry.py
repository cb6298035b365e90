# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Finds the logits between which each output pixel lies, as tables for a GPU."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from bisenet_ros.engine.upsample_argmax import Axis, Scale, Shape

ROWS = 16
"""The largest number of rows in a tile."""


@dataclass(frozen=True)
class Geometry:
    """An output, cut into tiles of rows that lie between the same two rows of the grid.

    Attributes:
        tiles: (tiles, 4) int32: the grid's rows above and below, the first output row, and the one
            after the last.
        below: (height,) float32: weight of the row below; the row above has 1 minus that.
        columns: (2, width) int32: the grid's columns to the left and to the right.
        right: (width,) float32: weight of the column to the right.
    """

    tiles: Tensor
    below: Tensor
    columns: Tensor
    right: Tensor

    @classmethod
    @lru_cache(maxsize=32)
    def of(cls, grid: Shape, size: Shape, scale: Scale, device: torch.device) -> Geometry:
        """Computes the geometry of `upsample_argmax`, with the same weights, on `device`."""
        y, x = (Axis.of(*along) for along in zip(grid, size, scale, strict=True))
        tiles = [
            (upper, lower, first, min(first + ROWS, end))
            for upper, lower, start, end in zip(
                y.lower, y.upper, y.start[:-1], y.start[1:], strict=True
            )
            for first in range(start, end, ROWS)
        ]
        repeats = np.diff(x.start)
        columns = np.stack((np.repeat(x.lower, repeats), np.repeat(x.upper, repeats)))
        return cls(
            torch.tensor(np.array(tiles, np.int32), device=device),
            torch.tensor(y.upper_weight[: size[0]], device=device),
            torch.tensor(columns, device=device),
            torch.tensor(x.upper_weight[: size[1]], device=device),
        )
