# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The pinhole camera of the synthetic drive.

Two frames, both in metres with x right, y down, z forward (the optical convention):

- world: the ground is the plane `y = 0`, so a point `h` metres up has `y = -h`;
- camera: the origin is the optical centre, z is the optical axis.

Pixels are `(u, v)` with pixel centres at whole numbers, as in OpenCV.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

NEAR = 0.3  # metres; anything closer to the image plane is clipped


def intrinsics(size: tuple[int, int]) -> Array:
    """Returns the pinhole matrix for an image size.

    The focal length is proportional to the geometric mean of the sides, so that wide images have a
    wider horizontal view and tall ones a taller view: 54 degrees across at 4:3, 64 degrees at 2:1.

    Args:
        size: (width, height) in pixels.

    Returns:
        (3, 3) float64 matrix; square pixels, principal point in the centre.
    """
    width, height = size
    focal = 1.13 * np.sqrt(width * height)
    return np.array(
        [[focal, 0.0, (width - 1) / 2], [0.0, focal, (height - 1) / 2], [0.0, 0.0, 1.0]]
    )


def rotation(yaw: float, pitch: float, roll: float) -> Array:
    """Returns the rotation from world directions to camera directions.

    Args:
        yaw: Heading to the right of world z, radians.
        pitch: Tilt downwards, radians.
        roll: Tilt to the right, radians.

    Returns:
        (3, 3) float64 rotation matrix.
    """
    cy, sy = np.cos(yaw), np.sin(yaw)
    cp, sp = np.cos(pitch), np.sin(pitch)
    cr, sr = np.cos(roll), np.sin(roll)
    turn = np.array([[cy, 0.0, -sy], [0.0, 1.0, 0.0], [sy, 0.0, cy]])
    nod = np.array([[1.0, 0.0, 0.0], [0.0, cp, -sp], [0.0, sp, cp]])
    lean = np.array([[cr, sr, 0.0], [-sr, cr, 0.0], [0.0, 0.0, 1.0]])
    product: Array = lean @ nod @ turn
    return product


@dataclass(frozen=True)
class Camera:
    """A pinhole camera at a pose.

    Attributes:
        matrix: (3, 3) intrinsics, pixels.
        rotation: (3, 3) world to camera.
        position: (3,) optical centre in the world, metres.
        size: (width, height) of the image, pixels.
    """

    matrix: Array
    rotation: Array
    position: Array
    size: tuple[int, int]

    @property
    def height(self) -> float:
        """Height of the optical centre above the ground, metres."""
        return float(-self.position[1])

    def to_camera(self, points: Array) -> Array:
        """Transforms (N, 3) world points to (N, 3) camera points."""
        moved: Array = (points - self.position) @ self.rotation.T
        return moved

    def to_pixels(self, points: Array) -> Array:
        """Projects (N, 3) camera points with positive z to (N, 2) pixels."""
        focal = self.matrix[0, 0]
        pixels: Array = points[:, :2] * (focal / points[:, 2:]) + self.matrix[:2, 2]
        return pixels

    def project(self, points: Array) -> tuple[Array, Array]:
        """Projects world points.

        Args:
            points: (N, 3) world points.

        Returns:
            (N, 2) pixels, valid where the depth is positive, and (N,) depths in metres.
        """
        local = self.to_camera(points)
        return self.to_pixels(local), local[:, 2]

    def plane_homography(self, origin: Array, across: Array, down: Array) -> Array:
        """Returns the homography from plane coordinates to pixels.

        Args:
            origin: (3,) world point of the plane coordinates (0, 0).
            across: (3,) world vector of one unit of the first coordinate.
            down: (3,) world vector of one unit of the second coordinate.

        Returns:
            (3, 3) homography that maps (a, b, 1) to the pixel of origin + a across + b down.
        """
        basis = np.column_stack((across, down, origin - self.position))
        homography: Array = self.matrix @ self.rotation @ basis
        return homography

    def ground_points(self, first_row: int) -> tuple[Array, Array]:
        """Returns the ground points that the pixels from a row downwards see.

        Args:
            first_row: First image row to compute.

        Returns:
            World x and z in metres of the ground at each pixel, both (H - first_row, W) float32.
            Pixels at or above the horizon get very distant points.
        """
        width, height = self.size
        to_world = self.rotation.T @ np.linalg.inv(self.matrix)
        u = np.arange(width, dtype=np.float32)[None, :]
        v = np.arange(first_row, height, dtype=np.float32)[:, None]
        x, y, z = (np.float32(a) * u + (np.float32(b) * v + np.float32(c)) for a, b, c in to_world)
        reach = np.float32(self.height) / np.maximum(y, np.float32(1e-5))
        return x * reach + np.float32(self.position[0]), z * reach + np.float32(self.position[2])

    def horizon(self) -> tuple[float, float]:
        """Returns the rows of the horizon at the left and right edges of the image, pixels."""
        # On the horizon, the world direction of a pixel has y = 0, which is a line in (u, v).
        a, b, c = (self.rotation.T @ np.linalg.inv(self.matrix))[1]
        return float(-c / b), float(-(c + a * (self.size[0] - 1)) / b)


def clip_near(points: Array) -> Array:
    """Clips a polygon in the camera frame at the near plane.

    Args:
        points: (N, 3) camera points of a convex polygon.

    Returns:
        (M, 3) camera points with z >= NEAR; M = 0 if nothing is left.
    """
    depth = points[:, 2]
    if depth.min() >= NEAR:
        return points
    kept: list[Array] = []
    for index in range(len(points)):
        here, after = points[index - 1], points[index]
        if (here[2] >= NEAR) != (after[2] >= NEAR):
            share = (NEAR - here[2]) / (after[2] - here[2])
            kept.append(here + share * (after - here))
        if after[2] >= NEAR:
            kept.append(after)
    return np.array(kept).reshape(-1, 3)
