# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Ranges of columns against the camera model itself, where the view of a lens ends."""

from __future__ import annotations

import numpy as np
import pytest

from bisenet_ros.ground.camera_model import CameraModel
from bisenet_ros.ground.layout import GridLayout
from bisenet_ros.ground.lens import BrownLens, FisheyeLens, Lens
from bisenet_ros.ground.pose import Pose
from bisenet_ros.ground.tables import GroundTables

POSE = Pose.from_mounting((0.0, 0.0, 1.5, 0.0, 0.35, 0.0))
BARREL = BrownLens((-0.35, *13 * (0.0,)))
PLUMB_BOB = BrownLens((-0.3, 0.1, *12 * (0.0,)))  # its view covers the whole image
FISHEYE = FisheyeLens((-0.05, -0.02, 0.0, 0.0))
EVEN = BrownLens(14 * (0.0,))


def exact_ranges(camera: CameraModel, boundary: np.ndarray) -> np.ndarray:
    """(W,) metres from below the camera to the ground at upper edges of pixels; NaN for none."""
    columns = np.arange(camera.size[0], dtype=float)
    x, y, z = POSE.matrix @ np.stack(camera.directions(columns, boundary - 0.5))
    with np.errstate(divide='ignore', invalid='ignore'):
        return np.where(z < 0, np.hypot(x, y) * -POSE.height / z, np.nan)


@pytest.mark.parametrize(
    ('lens', 'focal', 'unseen'),
    [(BARREL, 0.62, True), (FISHEYE, 0.42, True), (EVEN, 0.62, False)],
)
@pytest.mark.parametrize('size', [(641, 481), (640, 480), (650, 470)])
def test_a_column_has_a_range_exactly_where_the_lens_sees_the_ground(
    lens: Lens, focal: float, unseen: bool, size: tuple[int, int]
) -> None:
    width, height = size
    center = width / 2 - 0.5, height / 2 - 0.5
    camera = CameraModel(size, (focal * width, focal * width), center, lens)
    tables = GroundTables(camera, POSE, GridLayout(0.1, 30.0, 20.0, 0.3, 0.0, 1.0))
    nothing = 0
    for row in (*range(height // 2 + 40, height, 7), height - 1, height):
        boundary = np.full(width, row, np.int32)
        found, expected = tables.free_space_range(boundary), exact_ranges(camera, boundary)
        np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
        np.testing.assert_allclose(found, expected, rtol=0.02)
        nothing += np.isnan(expected).sum()
    assert (nothing > 0) == unseen


@pytest.mark.parametrize('lens', [PLUMB_BOB, FISHEYE])
@pytest.mark.parametrize('size', [(32, 32), (64, 48), (128, 96), (224, 168)])
def test_ranges_in_a_small_image_are_exact_to_a_hundredth(
    lens: Lens, size: tuple[int, int]
) -> None:
    width, height = size
    camera = CameraModel(size, (0.42 * width,) * 2, (width / 2 - 0.5, height / 2 - 0.5), lens)
    tables = GroundTables(camera, POSE, GridLayout(0.1, 30.0, 20.0, 0.3, 0.0, 1.0))
    for row in range(height * 3 // 4, height + 1):
        boundary = np.full(width, row, np.int32)
        found, expected = tables.free_space_range(boundary), exact_ranges(camera, boundary)
        np.testing.assert_allclose(found, expected, rtol=0.01)
