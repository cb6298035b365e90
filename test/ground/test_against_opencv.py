# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Grid and scan of irregular masks against a projection by OpenCV, point by point."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from bisenet_ros.ground.camera_model import CameraModel
from bisenet_ros.ground.layout import GridLayout
from bisenet_ros.ground.pose import Pose
from bisenet_ros.ground.tables import FREE, OCCUPIED, SCAN_BEARINGS, UNKNOWN, GroundTables

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.uint8]

WIDTH, HEIGHT, FOCAL = 640, 480, 380.0
K = np.array([[FOCAL, 0, 319.5], [0, FOCAL, 239.5], [0, 0, 1]])
LENSES = {
    'plumb_bob': [-0.2, 0.05, 0.001, -0.001, 0.0],
    'equidistant': [-0.02, 0.004, -0.003, 6e-4],
}
MOUNTINGS = {
    'ahead': (0.0, 0.0, 1.5, 0.0, 0.2, 0.0),
    'rolled, beside the middle': (1.2, -0.3, 1.1, 0.1, 0.3, 0.2),
    'the horizon in view': (0.5, 0.4, 1.4, -0.05, 0.05, -0.3),
}
LAYOUT = GridLayout(0.1, 15.0, 12.0, 0.3, math.radians(0.2), 1.0)


@dataclass(frozen=True)
class Projection:
    """Looks up a mask at points of the ground, by OpenCV's functions."""

    model: str
    mounting: tuple[float, ...]

    def mask_at(self, mask: Mask, x: Array, y: Array) -> npt.NDArray[np.int_]:
        """The mask's values at points of the ground; -1 outside the image."""
        roll, pitch, yaw = self.mounting[3:]
        turn = np.eye(3)
        for axis, angle in ((2, yaw), (1, pitch), (0, roll)):
            turn = turn @ cv2.Rodrigues(angle * np.eye(3)[axis])[0]
        points = np.stack([x, y, np.zeros_like(x)], -1).reshape(-1, 3) - self.mounting[:3]
        ahead, left, up = (points @ turn).T
        optical = np.stack([-left, -up, ahead], -1)
        # Lenses see no more than about 55 degrees to the side here.
        in_front = ahead > 0.3 * np.hypot(left, up)
        origin, d = np.zeros(3), np.array(LENSES[self.model])
        project = cv2.fisheye.projectPoints if self.model == 'equidistant' else cv2.projectPoints
        values = np.full(len(points), -1)
        pixels, _ = project(optical[in_front][:, None], origin, origin, K, d)
        columns, rows = np.rint(pixels.reshape(-1, 2)).astype(int).T
        inside = (columns >= 0) & (columns < WIDTH) & (rows >= 0) & (rows < HEIGHT)
        seen = np.flatnonzero(in_front)[inside]
        values[seen] = mask[rows[inside], columns[inside]]
        return values.reshape(x.shape)

    def first_contacts(self, mask: Mask, origin: tuple[float, float], bearings: Array) -> Array:
        """(J,) metres from a point to the first pixel that is not drivable, by steps of 2 cm.

        Infinity where there is none that is trusted, NaN where no pixel shows the line.
        """
        x0, y0, height = self.mounting[:3]
        trusted = LAYOUT.trusted_range(height)
        distances = np.arange(0.02, trusted + math.hypot(x0, y0), 0.02)
        x = origin[0] + distances * np.cos(bearings[:, None])
        y = origin[1] + distances * np.sin(bearings[:, None])
        values = self.mask_at(mask, x, y)
        values[np.hypot(x - x0, y - y0) > trusted] = -1
        contact = np.where((values == 0).any(1), distances[(values == 0).argmax(1)], np.inf)
        return np.where((values >= 0).any(1), contact, np.nan)


def street(seed: int) -> Mask:
    """A mask with blobs of all sizes, drivable in the lower middle, and poles of 3 pixels."""
    rng = np.random.default_rng(seed)
    noise = sum(
        cv2.resize(rng.normal(size=size), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        for size in ((4, 5), (9, 12), (30, 40))
    )
    mask = np.where(noise > -2.0, 255, 0).astype(np.uint8)
    for column in rng.integers(0, WIDTH - 3, 4):
        bottom = rng.integers(HEIGHT // 2, HEIGHT - 60)
        mask[:bottom, column : column + 3] = 0
    return mask


def one_cell_around(cells: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    return cv2.dilate(cells.view(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)


def tables_for(projection: Projection, layout: GridLayout = LAYOUT) -> GroundTables:
    region = SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0)
    info: Any = SimpleNamespace(
        width=WIDTH,
        height=HEIGHT,
        k=K.ravel(),
        d=LENSES[projection.model],
        distortion_model=projection.model,
        binning_x=0,
        binning_y=0,
        roi=region,
    )
    camera = CameraModel.from_info(info, (WIDTH, HEIGHT))
    return GroundTables(camera, Pose.from_mounting(projection.mounting), layout)


@pytest.fixture(params=LENSES)
def model(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(params=MOUNTINGS)
def projection(model: str, request: pytest.FixtureRequest) -> Projection:
    return Projection(model, MOUNTINGS[request.param])


def test_the_grid(projection: Projection) -> None:
    mask = street(0)
    grid = tables_for(projection).grid(mask)
    rows, columns = LAYOUT.shape
    x, y = np.meshgrid(
        (np.arange(columns) + 0.5) * LAYOUT.resolution,
        (np.arange(rows) + 0.5) * LAYOUT.resolution + LAYOUT.right,
    )
    # A cell whose centre is not drivable, or not in the image, is never free.
    assert (projection.mask_at(mask, x, y)[grid == FREE] == 255).all()
    # Apart from edges, a cell is what the line of sight through its centre says.
    known = grid != UNKNOWN
    away_x, away_y = x[known] - projection.mounting[0], y[known] - projection.mounting[1]
    # To a thousandth of a radian, at most 1 cm beside a centre, many cells share their line.
    bearings, line = np.unique(np.arctan2(away_y, away_x).round(3), return_inverse=True)
    contact = projection.first_contacts(mask, projection.mounting[:2], bearings)[line]
    behind = np.full(grid.shape, np.inf)
    behind[known] = np.hypot(away_x, away_y) - np.nan_to_num(contact, nan=np.inf)
    free, occupied = behind < 0, (behind >= 0) & (behind < LAYOUT.contact_depth)
    edge = one_cell_around(free) & one_cell_around(~free)
    agrees = free == (grid == FREE)
    assert known.sum() > 1000
    assert agrees[known].mean() > 0.96
    assert agrees[known & ~edge].mean() > 0.97
    assert one_cell_around(grid == OCCUPIED)[occupied].mean() > 0.98


@pytest.mark.parametrize('seed', [0, 1])
def test_the_scan(projection: Projection, seed: int) -> None:
    mask = street(seed)
    scan = tables_for(projection).scan(mask)
    expected = projection.first_contacts(mask, (0.0, 0.0), SCAN_BEARINGS)
    assert np.isfinite(expected).sum() > 100
    for kind in (np.isnan, np.isinf):
        assert np.mean(kind(scan) == kind(expected)) > 0.99
    both = np.isfinite(scan) & np.isfinite(expected)
    error = np.abs(scan[both] - expected[both])
    assert np.median(error) < 0.03
    assert np.percentile(error, 90) < 0.2


@pytest.mark.parametrize('resolution', [0.05, 0.25, 1.0, 5.0])
def test_cells_of_any_size_have_the_same_scan_and_lose_no_obstacle(
    model: str, resolution: float
) -> None:
    projection = Projection(model, MOUNTINGS['ahead'])
    layout = GridLayout(resolution, 15.0, 12.0, 0.3, LAYOUT.pitch_uncertainty, LAYOUT.max_error)
    mask = np.full((HEIGHT, WIDTH), 255, np.uint8)
    mask[330:334] = 0  # a strip across the road, 9 cm deep
    mask[:334, 400:404] = 0  # and a pole
    tables, usual = tables_for(projection, layout), tables_for(projection)
    np.testing.assert_array_equal(tables.scan(mask), usual.scan(mask))
    strip = np.nanmax(np.where(np.isfinite(usual.scan(mask)), usual.scan(mask), np.nan))
    grid = tables.grid(mask)
    rows, columns = np.nonzero(grid == FREE)
    distance = np.hypot((columns + 0.5) * resolution, (rows + 0.5) * resolution + layout.right)
    assert (distance < strip).all()
