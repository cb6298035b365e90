# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The free-space error in metres on masks whose ends on the ground are known in closed form."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from seen_frames import classes, masked

from bisenet_ros.ground.camera_model import CameraModel
from bisenet_ros.ground.layout import GridLayout
from bisenet_ros.ground.lens import BrownLens
from bisenet_ros.ground.pose import Pose
from bisenet_ros.ground.tables import GroundTables
from bisenet_ros.metrics import FreeSpaceRangeError

WIDTH, HEIGHT, FOCAL, ABOVE = 320, 240, 400.0, 1.5
CAMERA = CameraModel((WIDTH, HEIGHT), (FOCAL, FOCAL), (159.5, 0.0), BrownLens(14 * (0.0,)))
# Level, so that row r shows the ground FOCAL * ABOVE / r metres ahead.
LAYOUT = GridLayout(0.1, 30.0, 20.0, 0.3, math.radians(0.2), 1.0)
TABLES = GroundTables(CAMERA, Pose.from_mounting((0.0, 0.0, ABOVE, 0.0, 0.0, 0.0)), LAYOUT)


def ending_at(x: float) -> npt.NDArray[np.uint8]:
    """A mask that is drivable up to x metres ahead."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[math.ceil(FOCAL * ABOVE / x) :] = 255
    return mask


def test_errors_by_distance() -> None:
    known = np.ones((HEIGHT, WIDTH), bool)
    error = FreeSpaceRangeError(classes(2))
    error.update(replace(masked(ending_at(9.0), ending_at(7.0), known), ground=TABLES))
    error.update(replace(masked(ending_at(4.0), ending_at(4.0), known), ground=TABLES))
    found = error.details()['free_space_error_m_by_distance']
    assert found.keys() == {'0-5', '5-10'}
    # At a bearing b the ranges are x / cos(b), and 320 columns see 22 degrees to each side.
    assert found['5-10']['median'] == pytest.approx(2.0 / math.cos(math.radians(11)), abs=0.15)
    assert 2.0 < found['5-10']['p95'] == pytest.approx(2.0 / math.cos(0.36), abs=0.15)
    assert found['0-5']['p95'] == 0
    assert found['5-10']['median'] < error.p95() <= found['5-10']['p95']

    twice = FreeSpaceRangeError(classes(2))
    twice.add(error)
    twice.add(error)
    assert twice.median() == error.median()
    by_distance = twice.details()['free_space_error_m_by_distance']
    assert by_distance['5-10']['bearings'] == 2 * found['5-10']['bearings']


def test_a_contact_that_is_missed_counts_up_to_where_one_could_be() -> None:
    known = np.ones((HEIGHT, WIDTH), bool)
    everywhere = np.full((HEIGHT, WIDTH), 255, np.uint8)
    error = FreeSpaceRangeError(classes(2))
    error.update(replace(masked(everywhere, ending_at(7.0), known), ground=TABLES))
    assert error.median() == pytest.approx(TABLES.scan_range_max - 7.0 / math.cos(0.19), abs=0.2)


def test_what_is_not_known_does_not_count() -> None:
    known = np.ones((HEIGHT, WIDTH), bool)
    frame = masked(ending_at(9.0), ending_at(7.0), known)
    error = FreeSpaceRangeError(classes(2))
    error.update(frame)  # no CameraInfo, or no pose
    known[:100] = False  # what ends the free space has no truth
    error.update(replace(masked(ending_at(9.0), ending_at(7.0), known), ground=TABLES))
    assert math.isnan(error.median())
    assert math.isnan(error.p95())
    assert error.details() == {}
