# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Describes the grid on the ground, and how far a pose is trusted."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bisenet_ros.errors import UserError

MAX_TRUSTED_RANGE = 500.0
"""The largest trusted range, metres, which also applies without pitch uncertainty."""


@dataclass(frozen=True)
class GridLayout:
    """A grid ahead of `base_frame`: x starts at 0, y extends to both sides.

    Attributes:
        resolution: Side of a cell, metres.
        length: Metres ahead; rounded up to whole cells.
        width: Metres across; rounded up to whole cells on each side.
        contact_depth: Metres along the line of sight, from the first contact on, that are occupied.
        pitch_uncertainty: Radians by which a camera's attitude may differ from its pose.
        max_error: Largest error of a trusted ground point that this may cause, metres.
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
        """The y of the grid's right corner (x is 0): a negative multiple of the resolution."""
        return -(self.shape[0] // 2) * self.resolution

    def trusted_range(self, height: float) -> float:
        """Computes how far from the point below a camera the ground is trusted, in metres.

        At the distance d, an angular error e moves a point that is seen from the height h by
        (d^2 + h^2) / h * e.

        Args:
            height: Height of the camera above the ground, metres.

        Raises:
            UserError: No ground is trusted.
        """
        if self.pitch_uncertainty <= 0:
            return MAX_TRUSTED_RANGE
        square = self.max_error * height / self.pitch_uncertainty - height * height
        if square <= 0:
            raise UserError(
                f'no ground is trusted: seen from {height:g} m above, grid.pitch_uncertainty '
                f'{math.degrees(self.pitch_uncertainty):g} moves every point by more than '
                f'grid.max_error {self.max_error:g}: lower grid.pitch_uncertainty, raise '
                'grid.max_error, or correct z in mounting'
            )
        return min(MAX_TRUSTED_RANGE, math.sqrt(square))


def _whole(cells: float) -> int:
    return math.ceil(cells - 1e-6)  # 30 / 0.1 may be a little more than 300
