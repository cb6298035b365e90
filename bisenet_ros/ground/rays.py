# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Finds where the drivable ground ends along lines on the ground, by a table of pixels."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from bisenet_ros.ground.camera_model import CameraModel
from bisenet_ros.ground.pose import Pose

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.uint8]

TRANSPARENT = 255
"""The value of samples without a pixel: outside the image, on the vehicle, or not trusted."""

MAX_SAMPLES = 32_766
"""Maximum number of lines, and of samples on a line: `cv2.remap` takes no larger tables."""

_PROBES = 33  # lines on which the density of samples is measured
_PROBED_RADII = 512
_NEAREST = 0.01  # metres
_BLOCK = 1 << 14


class SeenGround:
    """Maps points of the ground to the pixels that show them.

    Attributes:
        camera: See `CameraModel`.
        pose: See `Pose`.
        trusted_range: Metres from the point below the camera; farther points count as not seen.

    Args:
        ego: (H, W) bool, the pixels of the vehicle itself, which show no ground; None for none.
    """

    def __init__(
        self,
        camera: CameraModel,
        pose: Pose,
        trusted_range: float,
        ego: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        self.camera = camera
        self.pose = pose
        self.trusted_range = trusted_range
        self._ego = ego

    def positions(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Computes columns and rows of points of the ground, also outside the image; NaN for none.

        Args:
            x: Metres in `base_frame`, any shape.
            y: As x.
        """
        return self.camera.project(*self.pose.to_optical(x, y))

    def is_seen(self, columns: Array, rows: Array, x: Array, y: Array) -> npt.NDArray[np.bool_]:
        """Whether a pixel shows the points.

        Args:
            columns: As `positions` gives them.
            rows: As `positions` gives them.
            x: Metres in `base_frame`.
            y: As x.
        """
        width, height = self.camera.size
        away_x, away_y = x - self.pose.translation[0], y - self.pose.translation[1]
        seen = (columns > -0.5) & (columns < width - 0.5) & (rows > -0.5) & (rows < height - 0.5)
        seen &= away_x * away_x + away_y * away_y <= self.trusted_range**2
        if self._ego is not None:
            pixels = np.rint(rows[seen]).astype(np.intp), np.rint(columns[seen]).astype(np.intp)
            seen[seen] = ~self._ego[pixels]
        return seen


class GroundRays:
    """Lines on the ground from one point, sampled as finely as the pixels and cells.

    Attributes:
        bearings: (J,) bearings of the lines, radians from x to y.
        seen: (J,) bool, whether any part of a line is seen.

    Args:
        ground: The visible ground.
        origin: x and y of the point, metres in `base_frame`.
        bearings: (J,) radians, at most `MAX_SAMPLES`.
        reach: Length of the lines, metres.
        step: Smallest distance between samples, metres.
    """

    def __init__(
        self,
        ground: SeenGround,
        origin: tuple[float, float],
        bearings: Array,
        reach: float,
        step: float,
    ) -> None:
        self.bearings = bearings
        self._origin = origin
        radii = self._radii(ground, reach, step)
        self._pixels = np.full((len(bearings), len(radii), 2), -1, np.int16)
        self.seen = np.zeros(len(bearings), np.bool_)
        self._first_seen = np.zeros(len(bearings), np.intp)
        # Few lines at a time, so that intermediate results stay in the caches.
        for block in np.array_split(np.arange(len(bearings)), 1 + self._pixels.size // _BLOCK):
            if not radii.size:
                break
            # Single precision is exact to a ten-thousandth of a pixel.
            x, y = self.points(radii.astype(np.float32), bearings[block, None].astype(np.float32))
            columns, rows = ground.positions(x, y)
            seen = ground.is_seen(columns, rows, x, y)
            self.seen[block] = seen.any(1)
            self._first_seen[block] = seen.argmax(1)
            for axis, position in enumerate((columns, rows)):
                position[~seen] = -1
                self._pixels[block[0] : block[-1] + 1, :, axis] = np.rint(position)
        between = (radii[1:] + radii[:-1]) / 2
        self._edges: Array = np.array([*radii[:1], *between, np.inf])  # (K + 1,)

    def points(self, distances: Array, bearings: Array) -> tuple[Array, Array]:
        """Returns x and y in `base_frame` of points at distances on lines with these bearings."""
        x, y = self._origin
        return x + distances * np.cos(bearings), y + distances * np.sin(bearings)

    def contacts(self, mask: Mask) -> Array:
        """Finds where each line first reaches visible ground that is not drivable.

        Args:
            mask: (H, W), 255 where drivable, else 0.

        Returns:
            (J,) metres along each line; infinity where there is no such ground.
        """
        if self._pixels.size == 0:
            return np.full(len(self.bearings), np.inf)
        seen = cv2.remap(
            mask,
            self._pixels,
            None,  # type: ignore[call-overload]
            cv2.INTER_NEAREST,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=TRANSPARENT,
        )  # (J, K)
        blocked = seen == 0
        first = blocked.argmax(1)
        free = ~blocked[np.arange(len(first)), first]
        # If the first visible sample is not drivable, the contact is a little before it.
        first = np.maximum(first - (first == self._first_seen), 0)
        first[free] = -1  # the last edge: infinity
        ends: Array = self._edges[first]
        return ends

    def _radii(self, ground: SeenGround, reach: float, step: float) -> Array:
        """Returns (K,) distances of the samples: a pixel apart, but not less than `step`."""
        probed = self.bearings[np.linspace(0, len(self.bearings) - 1, _PROBES).astype(np.intp)]
        radii = np.geomspace(_NEAREST, max(reach, 2 * _NEAREST), _PROBED_RADII)
        x, y = self.points(radii, probed[:, None])
        columns, rows = ground.positions(x, y)
        seen = ground.is_seen(columns, rows, x, y)
        moves = np.hypot(np.diff(columns), np.diff(rows))  # (_PROBES, radii - 1) pixels
        moves[~(seen[:, 1:] | seen[:, :-1]) | np.isnan(moves)] = 0
        samples = np.minimum(moves.max(0), np.diff(radii) / step)
        count = np.concatenate([[0.0], np.cumsum(samples)])
        count *= min(1.0, MAX_SAMPLES / max(1.0, count[-1]))
        return np.interp(np.arange(0.5, count[-1]), count, radii)
