# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Represents poses of cameras on the vehicle, with frames as in REP 103 and REP 105."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bisenet_ros.errors import UserError

Array = npt.NDArray[np.float64]

_OPTICAL = np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]], np.float64)
"""Axes of the optical frame (x right, y down, z forward) in the body frame (x forward, y left)."""


class PoseError(UserError):
    """A pose from which no ground can be seen."""


@dataclass(frozen=True)
class Pose:
    """The pose of a camera's optical frame in `base_frame`.

    Attributes:
        translation: x, y and z of the frame's origin, metres.
        rotation: The 9 numbers of a rotation matrix, row by row. It maps directions in the optical
            frame to directions in `base_frame`.

    Raises:
        PoseError: The position is not finite, or not above the ground.
    """

    translation: tuple[float, float, float]
    rotation: tuple[float, ...]

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, self.translation)):
            raise PoseError(f'the position of the camera is not finite: {list(self.translation)}')
        if self.translation[2] <= 0:
            raise PoseError(
                f'the camera is at z = {self.translation[2]:g} m in base_frame, which is not above '
                'the ground: z must be over 0'
            )

    @classmethod
    def from_mounting(cls, mounting: Sequence[float]) -> Pose:
        """Computes the pose of a camera from that of its body frame (x forward, y left, z up).

        Args:
            mounting: x, y, z in metres, roll, pitch, yaw in radians about fixed axes:
                R = Rz(yaw) Ry(pitch) Rx(roll). A positive pitch looks down.
        """
        x, y, z, roll, pitch, yaw = mounting
        (cr, cp, cy), (sr, sp, sy) = (
            [turn(angle) for angle in (roll, pitch, yaw)] for turn in (math.cos, math.sin)
        )
        about_x = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
        about_y = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
        about_z = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
        return cls((x, y, z), _numbers(about_z @ about_y @ about_x @ _OPTICAL))

    @classmethod
    def from_transform(cls, translation: Sequence[float], quaternion: Sequence[float]) -> Pose:
        """Computes the pose from TF's transform of an optical frame.

        Args:
            translation: x, y and z of the frame's origin in `base_frame`, metres.
            quaternion: x, y, z and w of the rotation from the optical frame to `base_frame`.

        Raises:
            PoseError: The quaternion is zero or not finite, or the camera is not above the ground.
        """
        length = math.sqrt(sum(part * part for part in quaternion))
        if not (math.isfinite(length) and length > 0):
            raise PoseError(f'the transform has an invalid quaternion: {list(quaternion)}')
        i, j, k, w = (part / length for part in quaternion)
        matrix = np.array(
            [
                [1 - 2 * (j * j + k * k), 2 * (i * j - k * w), 2 * (i * k + j * w)],
                [2 * (i * j + k * w), 1 - 2 * (i * i + k * k), 2 * (j * k - i * w)],
                [2 * (i * k - j * w), 2 * (j * k + i * w), 1 - 2 * (i * i + j * j)],
            ]
        )
        x, y, z = translation
        return cls((x, y, z), _numbers(matrix))

    @property
    def height(self) -> float:
        """Height of the camera above the ground, metres."""
        return self.translation[2]

    @property
    def matrix(self) -> Array:
        """(3, 3), see `rotation`."""
        return np.reshape(self.rotation, (3, 3))

    @property
    def heading(self) -> float:
        """Bearing of the viewing direction from x to y, radians; 0 if it is straight down."""
        x, y, _ = self.matrix[:, 2]
        return math.atan2(y, x) if math.hypot(x, y) > 1e-6 else 0.0

    def to_optical(self, x: Array, y: Array) -> tuple[Array, Array, Array]:
        """Transforms points of the ground to x, y and z in the optical frame."""
        px, py, pz = self.translation
        x, y = x - px, y - py
        (ax, bx, cx), (ay, by, cy), (az, bz, cz) = self.matrix.tolist()
        return ax * x + ay * y - az * pz, bx * x + by * y - bz * pz, cx * x + cy * y - cz * pz


def _numbers(matrix: Array) -> tuple[float, ...]:
    return tuple(matrix.reshape(-1).tolist())
