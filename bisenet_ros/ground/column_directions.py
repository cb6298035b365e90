# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tables of the directions that a camera's pixels look in, for one row per column of an image."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from bisenet_ros.ground.camera_model import CameraModel
from bisenet_ros.ground.pose import Pose

_STEP = 16
"""Maximum pixels between the directions that are computed, not interpolated."""

_NODES = 30
"""Directions along the shorter side of an image, at least. In a small image each pixel covers more
of the view, where directions between distant pixels are not on a line."""

_BLOCK = 64  # tiles


class ColumnDirections:
    """Directions at the upper edges of pixels.

    They are interpolated between every 16th pixel, closer in small images. Where the lens has no
    direction for one of them, the pixels around it are computed one by one.

    Args:
        camera: The camera at the size of its masks.
        pose: The camera's pose.
    """

    def __init__(self, camera: CameraModel, pose: Pose) -> None:
        self._camera = camera
        self._pose = pose
        width, height = camera.size
        self._step = step = max(1, min(_STEP, min(camera.size) // _NODES))
        columns = np.arange(0, width + step, step)
        nodes = self._compute(columns, np.arange(0, height + step, step)[:, None])
        column, share = np.divmod(np.arange(width), step)
        right = (share / step).astype(np.float32)[:, None]
        self._table = nodes[:, column] * (1 - right) + nodes[:, column + 1] * right
        self._columns = np.arange(width)
        self._tile, self._tiles = self._exact_tiles(np.isfinite(nodes[..., 0]))

    def at(self, rows: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
        """Returns (W, 3) x, y and z in `base_frame`, of any length; NaN for none.

        Args:
            rows: (W,) from 0 to the height of the image. The upper edge of a pixel is half a row
                above its centre.
        """
        step = self._step
        above = np.minimum(rows // step, len(self._table) - 2)
        share = ((rows - above * step) / step)[:, None]
        columns = self._columns
        found: npt.NDArray[np.float64] = (1 - share) * self._table[
            above, columns
        ] + share * self._table[above + 1, columns]
        if len(self._tiles):
            tile = self._tile[above, columns // step]
            (exact,) = np.nonzero(tile >= 0)
            row, column = (rows - above * step)[exact], columns[exact] % step
            found[exact] = self._tiles[tile[exact], row, column]
        return found

    def _exact_tiles(
        self, seen: npt.NDArray[np.bool_]
    ) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float32]]:
        """Computes the tiles between 4 nodes at the end of the lens's view.

        There, a tile has nodes without a direction, or directions change too fast to interpolate.

        Args:
            seen: (rows, columns) whether the lens has a direction for a node.

        Returns:
            (rows - 1, columns - 1) index of a tile, -1 for none, and (tiles, step + 1, step, 3)
            directions of the tiles' pixels.
        """
        step = self._step
        near_end = cv2.dilate((~seen).view(np.uint8), np.ones((3, 3), np.uint8)) > 0
        exact = _any_corner(seen) & _any_corner(near_end)
        index = np.where(exact, np.cumsum(exact).reshape(exact.shape) - 1, -1)
        tiles = np.empty((np.count_nonzero(exact), step + 1, step, 3), np.float32)
        corners = step * np.argwhere(exact)[..., None, None]  # (tiles, 2, 1, 1)
        # Few tiles at a time, so that intermediate results stay in the caches.
        for start in range(0, len(tiles), _BLOCK):
            part = slice(start, start + _BLOCK)
            rows = corners[part, 0] + np.arange(step + 1)[:, None]
            tiles[part] = self._compute(corners[part, 1] + np.arange(step), rows)
        return index, tiles

    def _compute(
        self, columns: npt.NDArray[np.intp], rows: npt.NDArray[np.intp]
    ) -> npt.NDArray[np.float32]:
        """Returns (..., 3) exact directions; columns and rows are broadcast."""
        u, v = np.broadcast_arrays(columns.astype(np.float64), rows - 0.5)
        optical = np.stack(self._camera.directions(u, v), -1)
        directions: npt.NDArray[np.float32] = (optical @ self._pose.matrix.T).astype(np.float32)
        return directions


def _any_corner(nodes: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Returns (rows - 1, columns - 1) whether one of a tile's 4 nodes is True."""
    sides = nodes[1:] | nodes[:-1]
    return sides[:, 1:] | sides[:, :-1]
