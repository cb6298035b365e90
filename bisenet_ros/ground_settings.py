# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of the ground: pose of the camera, base frame and grid."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bisenet_ros.declaration import Changes, Declared, parameter
from bisenet_ros.errors import UserError
from bisenet_ros.ground.layout import GridLayout

MAX_CELLS = 1_000_000
"""Maximum number of cells; more suggest that the resolution was given in the wrong unit."""

MAX_METRES = 300.0
"""Largest x, y and z of a camera on the vehicle; a larger one was given in the wrong unit."""


def _check_frame(frame: str) -> str | None:
    if frame.startswith('/'):
        return f'base_frame must not begin with a slash, which tf2 rejects: {frame.lstrip("/")}'
    return None if frame else 'base_frame must be the name of a frame'


def _check_mounting(mounting: tuple[float, ...]) -> str | None:
    if not mounting:
        return None
    if len(mounting) != 6 or not all(map(math.isfinite, mounting)):
        return (
            'mounting must be [x, y, z, roll, pitch, yaw] in metres and radians, or [],'
            f' not {list(mounting)}'
        )
    if mounting[2] <= 0:
        return f'mounting must have the camera above the ground: z over 0, not {mounting[2]:g}'
    if any(abs(metres) > MAX_METRES for metres in mounting[:3]):
        return (
            f'mounting must have x, y and z in metres, up to {MAX_METRES:g}, not'
            f' {list(mounting[:3])}'
        )
    if any(abs(angle) > 2 * math.pi for angle in mounting[3:]):
        return f'mounting must have its angles in radians, not {list(mounting[3:])}'
    return None


@dataclass(frozen=True)
class GroundSettings(Declared):
    """The pose of the camera on the vehicle, and size and resolution of the grid."""

    base_frame: str = parameter(
        'base_footprint',
        'Frame of segmentation/grid and segmentation/free_space_scan: on the ground, x forward,'
        ' y left, z up.',
        Changes.AT_ONCE,
        check=_check_frame,
    )
    mounting: tuple[float, ...] = parameter(
        (),
        'Pose [x, y, z, roll, pitch, yaw] of the camera body (x forward, y left, z up) in'
        ' base_frame, in metres and radians, about fixed axes; a positive pitch looks down.'
        ' Empty to take it from TF.',
        Changes.AT_ONCE,
        check=_check_mounting,
        per_camera=True,
    )
    grid_resolution: float = parameter(
        0.1,
        'Side length of a grid cell, in metres.',
        Changes.AT_ONCE,
        bounds=(0.01, 5.0),
        name='grid.resolution',
    )
    grid_length: float = parameter(
        30.0,
        'Length of the grid ahead of base_frame, in metres.',
        Changes.AT_ONCE,
        bounds=(1.0, 500.0),
        name='grid.length',
    )
    grid_width: float = parameter(
        20.0,
        'Metres that the grid reaches across, half of it to each side of base_frame.',
        Changes.AT_ONCE,
        bounds=(1.0, 500.0),
        name='grid.width',
    )
    grid_contact_depth: float = parameter(
        0.3,
        'Metres along the line of sight that are occupied from a contact on; cells behind them'
        ' are unknown.',
        Changes.AT_ONCE,
        bounds=(0.01, 10.0),
        name='grid.contact_depth',
    )
    grid_pitch_uncertainty: float = parameter(
        0.2,
        'Expected error of the camera pitch in degrees, for example from a rocking vehicle.',
        Changes.AT_ONCE,
        bounds=(0.0, 10.0),
        name='grid.pitch_uncertainty',
    )
    grid_max_error: float = parameter(
        1.0,
        'Largest position error on the ground, in metres; where grid.pitch_uncertainty causes a'
        ' larger one, the ground is unknown.',
        Changes.AT_ONCE,
        bounds=(0.01, 100.0),
        name='grid.max_error',
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        across, ahead = self.layout.shape
        if across * ahead > MAX_CELLS:
            raise UserError(
                f'grid.length, grid.width and grid.resolution make {ahead} x {across} cells, over'
                f' the {MAX_CELLS:,} that a grid may have'
            )

    @property
    def layout(self) -> GridLayout:
        """The grid."""
        return GridLayout(
            resolution=self.grid_resolution,
            length=self.grid_length,
            width=self.grid_width,
            contact_depth=self.grid_contact_depth,
            pitch_uncertainty=math.radians(self.grid_pitch_uncertainty),
            max_error=self.grid_max_error,
        )
