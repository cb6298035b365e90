# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Grid, scan and ranges per column in closed form: scenes painted on a plane, boxes, horizons."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from bisenet_ros.drivable import free_space_boundary
from bisenet_ros.errors import UserError
from bisenet_ros.ground.camera_model import CameraModel
from bisenet_ros.ground.layout import GridLayout
from bisenet_ros.ground.lens import BrownLens
from bisenet_ros.ground.pose import Pose
from bisenet_ros.ground.tables import (
    FREE,
    OCCUPIED,
    SCAN_BEARINGS,
    UNKNOWN,
    GroundTables,
)

SIZE = (1280, 720)
FOCAL = 700.0
LAYOUT = GridLayout(0.1, 30.0, 20.0, 0.3, math.radians(0.2), 1.0)
LENSES = {
    'plumb_bob': (-0.2, 0.05, 0.001, -0.001, 0.0),
    'rational_polynomial': (0.9, 0.3, 1e-4, -2e-4, 0.02, 1.25, 0.45, 0.08),
    'equidistant': (-0.02, 0.004, -0.003, 0.0006),
}
Points = npt.NDArray[np.float64]


def camera_model(model: str = '', d: tuple[float, ...] = ()) -> CameraModel:
    info = SimpleNamespace(
        width=SIZE[0],
        height=SIZE[1],
        k=[FOCAL, 0, 639.5, 0, FOCAL, 359.5, 0, 0, 1],
        d=d,
        distortion_model=model,
        binning_x=0,
        binning_y=0,
        roi=SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0),
    )
    return CameraModel.from_info(info, SIZE)


def ground_of_pixels(camera: CameraModel, pose: Pose) -> tuple[Points, Points]:
    """(H, W) x and y in base_frame of the ground that each pixel shows; NaN above the horizon."""
    columns, rows = np.meshgrid(np.arange(SIZE[0], dtype=float), np.arange(SIZE[1], dtype=float))
    directions = np.stack(camera.directions(columns, rows), -1) @ pose.matrix.T
    with np.errstate(divide='ignore', invalid='ignore'):
        along = np.where(directions[..., 2] < 0, -pose.height / directions[..., 2], np.nan)
    x, y = (pose.translation[axis] + along * directions[..., axis] for axis in (0, 1))
    return x, y


def painted(camera: CameraModel, pose: Pose, drivable: Any) -> npt.NDArray[np.uint8]:
    """(H, W) the mask of a ground that is drivable where a function of x and y says so."""
    x, y = ground_of_pixels(camera, pose)
    with np.errstate(invalid='ignore'):
        return np.where(drivable(x, y), 255, 0).astype(np.uint8)


def centres(tables: GroundTables) -> tuple[Points, Points]:
    """(rows, columns) x and y of the cells' centres."""
    rows, columns = tables.layout.shape
    x = (np.arange(columns) + 0.5) * tables.layout.resolution
    y = (np.arange(rows) + 0.5) * tables.layout.resolution + tables.layout.right
    return np.meshgrid(x, y)


@pytest.mark.parametrize('lens', LENSES)
@pytest.mark.parametrize(
    'mounting',
    [
        (0.0, 0.0, 1.5, 0.0, 0.15, 0.0),
        (1.2, -0.3, 1.1, 0.1, 0.3, 0.2),
        (0.3, 0.4, 2.0, -0.2, 0.45, -0.3),
        (1.0, 0.0, 1.5, 0.0, 0.0, 0.0),
    ],
)
def test_a_rectangle_comes_back_within_half_a_cell(lens: str, mounting: tuple[float, ...]) -> None:
    camera, pose = camera_model(lens, LENSES[lens]), Pose.from_mounting(mounting)
    near, far, right, left = 3.73, 5.46, -1.58, 1.37

    def drivable(x: Points, y: Points) -> npt.NDArray[np.bool_]:
        return (x < far) & (y > right) & (y < left)

    tables = GroundTables(camera, pose, LAYOUT)
    grid = tables.grid(painted(camera, pose, drivable))
    x, y = centres(tables)
    free = grid == FREE
    half = LAYOUT.resolution / 2
    assert x[free].max() + half == pytest.approx(far, abs=half + 0.02)
    beside = free & (x > near) & (x < far)
    assert beside.any()
    assert y[beside].max() + half == pytest.approx(left, abs=half + 0.02)
    assert y[beside].min() - half == pytest.approx(right, abs=half + 0.02)
    # Only cells that an edge passes are other than their centre.
    inside = (x < far - half) & (y > right + half) & (y < left - half)
    assert not (grid[inside] == OCCUPIED).any()
    assert not free[(x > far + half) | (y < right - half) | (y > left + half)].any()
    # Occupied is what lies behind an edge, no deeper than it may; of lines of sight that are in
    # view before the edge.
    px, py, _ = pose.translation
    occupied = (grid == OCCUPIED) & (np.abs(np.arctan2(y - py, x - px)) < 0.15)
    assert occupied.any()
    distance = np.hypot(x - px, y - py)
    with np.errstate(divide='ignore', invalid='ignore'):
        to_far = (far - px) / (x - px)
        to_side = np.where(y > py, (left - py) / (y - py), (right - py) / (y - py))
    edge = np.minimum(np.where(to_far > 0, to_far, np.inf), to_side) * distance
    behind = (distance - edge)[occupied]
    assert behind.min() > -2 * LAYOUT.resolution
    assert behind.max() < LAYOUT.contact_depth + 2 * LAYOUT.resolution


def test_first_contact_with_boxes() -> None:
    camera, pose = camera_model(), Pose.from_mounting((0.0, 0.0, 1.5, 0.0, 0.2, 0.0))
    mask = painted(camera, pose, lambda x, y: np.isfinite(x))
    # Boxes of 0.8 m on the ground, as the camera sees them: front side and what it hides.
    for front, right, left in ((5.0, -1.0, -0.5), (7.0, 0.5, 1.5)):
        corners = np.array([[front, right, 0], [front, left, 0], [front, left, 0.8]])
        corners = np.vstack([corners, [front, right, 0.8]]) - pose.translation
        optical = corners @ pose.matrix
        u, v = camera.project(*optical.T)
        cv2.fillConvexPoly(mask, np.rint(np.stack([u, v], -1)).astype(np.int32), 0)
    tables = GroundTables(camera, pose, LAYOUT)
    grid = tables.grid(mask)
    x, y = centres(tables)

    def at(ahead: float, across: float) -> int:
        return int(grid[np.abs(y[:, 0] - across).argmin(), np.abs(x[0] - ahead).argmin()])

    # By hand: the line of sight to (5, -0.75) goes on through (7, -1.05); that to (7, 1) through
    # (8.4, 1.2). The near box hides what is up to 5 / (1 - 0.8 / 1.5) = 10.7 m away.
    assert [at(4.85, -0.75), at(5.15, -0.75), at(5.85, -0.9)] == [FREE, OCCUPIED, UNKNOWN]
    assert [at(6.85, 1.0), at(7.15, 1.0), at(8.0, 1.15)] == [FREE, OCCUPIED, UNKNOWN]
    assert at(7.0, -1.05) == UNKNOWN
    assert [at(5.15, 0.0), at(8.0, 0.0), at(5.15, -1.5), at(7.0, 2.0)] == [FREE] * 4

    scan = tables.scan(mask)
    for bearing, expected in (
        (math.atan2(-0.75, 5.0), math.hypot(5.0, 0.75)),
        (math.atan2(1.0, 7.0), math.hypot(7.0, 1.0)),
    ):
        ray = np.abs(SCAN_BEARINGS - bearing).argmin()
        assert scan[ray] == pytest.approx(expected, abs=0.1)
    assert scan[np.abs(SCAN_BEARINGS).argmin()] == np.inf
    assert np.isnan(scan[np.abs(SCAN_BEARINGS - math.pi / 2).argmin()])
    assert np.isnan(scan[0])


@pytest.mark.parametrize('pitch', [-0.05, 0.0, 0.1, 0.3, 0.6])
@pytest.mark.parametrize('roll', [-0.3, 0.0, 0.1])
def test_a_wall_at_every_pitch_and_roll(pitch: float, roll: float) -> None:
    camera = camera_model()
    pose = Pose.from_mounting((0.5, 0.2, 1.4, roll, pitch, 0.1))
    wall = 6.0
    mask = painted(camera, pose, lambda x, y: x < wall)
    tables = GroundTables(camera, pose, LAYOUT)
    scan = tables.scan(mask)
    hits = np.isfinite(scan) & (np.abs(SCAN_BEARINGS) < 0.4)
    assert hits.sum() > 50
    np.testing.assert_allclose(scan[hits] * np.cos(SCAN_BEARINGS[hits]), wall, atol=0.12)

    boundary = free_space_boundary(mask)
    ranges = tables.free_space_range(boundary)
    x, y = ground_of_pixels(camera, pose)
    rows = np.clip(boundary, 0, SIZE[1] - 1)
    columns = np.arange(SIZE[0])
    expected = np.hypot(x[rows, columns], y[rows, columns])
    ends_at_wall = (boundary > 1) & (boundary < SIZE[1]) & (np.abs(x[rows, columns] - wall) < 0.2)
    assert ends_at_wall.sum() > 50
    np.testing.assert_allclose(ranges[ends_at_wall], expected[ends_at_wall], rtol=0.02)


def test_nothing_is_known_above_the_horizon_or_beyond_the_trusted_range() -> None:
    camera, pose = camera_model(), Pose.from_mounting((0.0, 0.0, 1.5, 0.0, 0.0, 0.0))
    everything = np.full(SIZE[::-1], 255, np.uint8)
    tables = GroundTables(camera, pose, LAYOUT)
    ranges = tables.free_space_range(np.zeros(SIZE[0], np.int32))
    assert np.isnan(ranges).all()
    # (d^2 + h^2) / h * e = 1 at d = 20.7 m; there, the row is 359.5 + f h / d.
    trusted = math.sqrt(1.5 / math.radians(0.2) - 1.5**2)
    assert tables.scan_range_max == pytest.approx(trusted)
    for distance, known in ((trusted - 0.5, True), (trusted + 0.5, False)):
        row = round(359.5 + FOCAL * 1.5 / distance + 0.5)
        found = tables.free_space_range(np.full(SIZE[0], row, np.int32))[640]
        assert np.isfinite(found) == known
        if known:
            assert found == pytest.approx(FOCAL * 1.5 / (row - 360), abs=0.02)
    # A pixel is as long as a cell where d^2 / (f h) = 0.1 m.
    longest = math.sqrt(0.1 * FOCAL * 1.5)
    x, y = centres(tables)
    free = tables.grid(everything) == FREE
    assert x[free & (np.abs(y) < 0.1)].max() == pytest.approx(longest, abs=0.15)
    assert not (tables.grid(everything) == OCCUPIED).any()
    scan = tables.scan(everything)
    assert np.isinf(scan[~np.isnan(scan)]).all()
    assert (~np.isnan(scan)).sum() == pytest.approx(
        4 * 2 * math.degrees(math.atan(640 / 700)), abs=8
    )

    up = GroundTables(camera, Pose.from_mounting((0.0, 0.0, 1.5, 0.0, -1.0, 0.0)), LAYOUT)
    assert (up.grid(everything) == UNKNOWN).all()
    assert np.isnan(up.scan(everything)).all()
    assert np.isnan(up.free_space_range(np.full(SIZE[0], 500, np.int32))).all()


def test_the_vehicle_itself_is_transparent() -> None:
    camera, pose = camera_model(), Pose.from_mounting((0.0, 0.0, 1.5, 0.0, 0.2, 0.0))
    mask = painted(camera, pose, lambda x, y: x < 6.0)
    ego = np.zeros(mask.shape, np.bool_)
    ego[600:] = True  # the bonnet
    ego[:, 600:640] = True  # a mast
    mask[ego] = 0
    tables = GroundTables(camera, pose, LAYOUT, ego)
    grid = tables.grid(mask)
    x, y = ground_of_pixels(camera, pose)
    rows = np.floor((y - LAYOUT.right) / 0.1)
    columns = np.floor(x / 0.1)
    hidden = ego & np.isfinite(x) & (x > 0) & (x < 8) & (np.abs(y) < 9)
    # A cell whose centre is seen is known, though others of its pixels are the vehicle's.
    of_hidden = grid[rows[hidden].astype(int), columns[hidden].astype(int)]
    assert (of_hidden == UNKNOWN).mean() > 0.95
    ahead, across = centres(tables)
    seen = (np.abs(across - 0.8) < 0.3) & (ahead > 5.0) & (ahead < 5.9)
    assert (grid[seen] == FREE).all()
    scan = tables.scan(mask)
    hits = np.isfinite(scan)
    np.testing.assert_allclose(scan[hits] * np.cos(SCAN_BEARINGS[hits]), 6.0, atol=0.12)
    # A column that shows nothing but the vehicle below an obstacle: the obstacle begins there.
    boundary = np.full(SIZE[0], SIZE[1], np.int32)
    bonnet = tables.free_space_range(boundary)[100]
    assert bonnet == pytest.approx(float(np.hypot(x[599, 100], y[599, 100])), rel=0.01)


def test_a_contact_thinner_than_a_cell_is_kept() -> None:
    camera, pose = camera_model(), Pose.from_mounting((0.0, 0.0, 1.5, 0.0, 0.3, 0.0))
    bearing = math.atan2(0.502, 3.0)
    mask = painted(
        camera, pose, lambda x, y: ~((np.abs(np.arctan2(y, x) - bearing) < 0.004) & (x > 3.0))
    )
    grid = GroundTables(camera, pose, LAYOUT).grid(mask)
    occupied = np.argwhere(grid == OCCUPIED)
    assert len(occupied)
    where = (occupied[:, ::-1] + 0.5) * 0.1 + (0, LAYOUT.right)
    assert np.hypot(*(where - (3.05, 0.51)).T).min() < 0.12


def test_the_grid_is_snapped_to_its_resolution() -> None:
    layout = GridLayout(0.3, 10.0, 10.0, 0.3, 0.0, 1.0)
    assert layout.shape == (34, 34)
    assert layout.right / 0.3 == pytest.approx(-17)
    assert LAYOUT.shape == (200, 300)
    assert LAYOUT.right == -10.0


def test_a_view_straight_down_from_far_above_needs_no_more_lines_than_opencv_takes() -> None:
    lens = BrownLens(14 * (0.0,))
    camera = CameraModel((480, 480), (240.0, 240.0), (239.5, 239.5), lens)
    pose = Pose.from_mounting((250.0, 0.0, 300.0, 0.0, math.pi / 2, 0.0))
    tables = GroundTables(camera, pose, GridLayout(5.0, 500.0, 500.0, 5.0, 0.0, 1.0))
    mask = np.full((480, 480), 255, np.uint8)
    mask[:120] = 0  # from 150 m ahead of the camera on
    grid = tables.grid(mask)
    assert (grid[:, :79] == FREE).all()
    assert (grid[:, 80] == OCCUPIED).mean() > 0.9


def test_no_trusted_ground_is_refused_with_the_parameters_that_cause_it() -> None:
    layout = GridLayout(0.1, 30.0, 20.0, 0.3, math.radians(10), 0.2)
    pose = Pose.from_mounting((0.0, 0.0, 1.5, 0.0, 0.1, 0.0))
    with pytest.raises(
        UserError, match=r'1\.5 m above, grid\.pitch_uncertainty 10 .*max_error 0\.2'
    ):
        GroundTables(camera_model(), pose, layout)


def is_beside(cells: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """(rows, columns) whether a cell shares a side with one of these."""
    around = np.pad(cells, 1)
    return around[2:, 1:-1] | around[:-2, 1:-1] | around[1:-1, 2:] | around[1:-1, :-2]


def holes(tables: GroundTables, grid: npt.NDArray[np.int8]) -> npt.NDArray[np.bool_]:
    """(rows, columns) free cells beside one that is in view, trusted and yet unknown."""
    in_view = tables.grid(np.full(SIZE[::-1], 255, np.uint8)) == FREE
    return (grid == FREE) & is_beside(in_view & (grid == UNKNOWN))


@pytest.mark.parametrize(
    ('resolution', 'depth'), [(0.1, 0.3), (0.05, 0.3), (0.2, 0.3), (0.1, 0.02)]
)
@pytest.mark.parametrize('half', [0.5, 0.73, 1.0, 1.04, 1.07, 2.2])
def test_a_kerb_beside_the_vehicle_has_no_gaps(
    half: float, resolution: float, depth: float
) -> None:
    camera, pose = camera_model(), Pose.from_mounting((0.0, 0.0, 1.5, 0.0, 0.2, 0.0))
    layout = GridLayout(resolution, 14.0, 20.0, depth, math.radians(0.2), 1.0)
    tables = GroundTables(camera, pose, layout)
    grid = tables.grid(painted(camera, pose, lambda x, y: np.abs(y) < half))
    assert (grid == FREE).any()
    assert not holes(tables, grid).any()
    # Ground that is clearly free stays free, and the kerb is no wider than it has to be.
    x, y = (each[grid == OCCUPIED] for each in centres(tables))
    y = np.abs(y)
    assert y.min() > half - resolution / 4
    ahead = x > 4  # nearer, the view begins beside the kerb
    assert (y - depth * y / np.hypot(x, y))[ahead].max() < half + 2 * resolution


@pytest.mark.parametrize('depth', [0.3, 0.02])
@pytest.mark.parametrize('wall', [3.5, 5.02, 6.07, 7.5, 9.99])
def test_a_wall_ahead_has_no_gaps(wall: float, depth: float) -> None:
    camera, pose = camera_model(), Pose.from_mounting((0.0, 0.0, 1.5, 0.0, 0.2, 0.0))
    layout = GridLayout(0.1, 14.0, 20.0, depth, math.radians(0.2), 1.0)
    tables = GroundTables(camera, pose, layout)
    grid = tables.grid(painted(camera, pose, lambda x, y: x < wall))
    assert not holes(tables, grid).any()
    x, _ = centres(tables)
    assert x[grid == OCCUPIED].min() > wall - 0.07


@pytest.mark.parametrize('behind', [math.inf, 11.0])
def test_the_shadow_of_an_obstacle_is_unknown_beside_free_ground(behind: float) -> None:
    camera, pose = camera_model(), Pose.from_mounting((0.0, 0.0, 1.5, 0.0, 0.2, 0.0))
    front, right, left = 5.0, -0.4, 0.63
    with np.errstate(divide='ignore'):
        hidden = painted(
            camera,
            pose,
            lambda x, y: (x >= front) & (y * front / x > right) & (y * front / x < left),
        )
    mask = painted(camera, pose, lambda x, y: x < behind)
    mask[hidden > 0] = 0  # as high as the camera, so it hides all ground behind it
    tables = GroundTables(camera, pose, LAYOUT)
    grid = tables.grid(mask)
    x, y = centres(tables)
    shadow = (x > front + LAYOUT.contact_depth + 0.1) & (x < min(behind, 11.0) - 0.2)
    assert not (grid[shadow] == OCCUPIED).any()
    assert holes(tables, grid)[shadow].any()
    inside = shadow & (y * front / x > right) & (y * front / x < left)
    assert (grid[inside] == UNKNOWN).all()
