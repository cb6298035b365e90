# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Describes the grid on the ground, and how far a pose is trusted."""

from __future__ import annotations

import math
from dataclasses import dataclass

FARTHEST = 500.0
"""Metres up to which the ground is looked at where no pitch is uncertain."""


@dataclass(frozen=True)
class GridLayout:
    """A grid ahead of `base_frame`, x from 0, y to both sides.

    Attributes:
        resolution: Side of a cell, metres.
        length: Metres ahead; rounded up to whole cells.
        width: Metres across; rounded up to whole cells on each side.
        contact_depth: Metres along the line of sight that are occupied from the first contact on.
        pitch_uncertainty: Radians by which a camera's attitude may be other than its pose.
        max_error: Metres by which that may move the ground where it is still trusted.
    """

    resolution: float
    length: float
    width: float
    contact_depth: float
    pitch_uncertainty: float
    max_error: float

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns): cells across, from the right to the left, and cells ahead."""
        return 2 * _whole(self.width / 2 / self.resolution), _whole(self.length / self.resolution)

    @property
    def right(self) -> float:
        """The y of the grid's corner (the x is 0): a multiple of the resolution, negative."""
        return -(self.shape[0] // 2) * self.resolution

    def trusted_range(self, height: float) -> float:
        """Metres on the ground from below a camera to where it is no longer trusted.

        At the distance d an angle e moves a point that is seen from the height h by
        (d^2 + h^2) / h * e.

        Args:
            height: Of the camera above the ground, metres.
        """
        if self.pitch_uncertainty <= 0:
            return FARTHEST
        square = self.max_error * height / self.pitch_uncertainty - height * height
        return min(FARTHEST, math.sqrt(max(0.0, square)))


def _whole(cells: float) -> int:
    return math.ceil(cells - 1e-6)  # 30 / 0.1 may be a little more than 300
