# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Any valid settings of the ground, with any CameraInfo, give a ground or one reason for none."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bisenet_ros.camera_ground import CameraGround
from bisenet_ros.declaration import declarations
from bisenet_ros.drivable import free_space_boundary
from bisenet_ros.ground_settings import MAX_METRES, GroundSettings
from bisenet_ros.settings import Settings

SIZE = (64, 48)
MASK = np.kron(np.random.default_rng(0).integers(0, 2, (6, 8)), np.ones((8, 8))).astype(np.uint8)
DECLARED = declarations(GroundSettings)


def within(name: str) -> st.SearchStrategy[float]:
    low, high = DECLARED[name].bounds or (0.0, 0.0)
    return st.floats(low, high)


METRES = st.sampled_from([0.0]) | st.floats(-5, 5) | st.floats(-MAX_METRES, MAX_METRES)
HEIGHTS = st.floats(0.5, 3) | st.floats(0, MAX_METRES, exclude_min=True)
ANGLES = st.sampled_from([0.0, math.pi / 2]) | st.floats(-2 * math.pi, 2 * math.pi)
MOUNTINGS = st.tuples(METRES, METRES, HEIGHTS, ANGLES, ANGLES, ANGLES)
NUMBERS = st.floats(-1, 1) | st.floats(-100, 100) | st.floats()


@st.composite
def ground_settings(draw: st.DrawFn) -> dict[str, Any]:
    """Values in range for the parameters of a grid with at most a few thousand cells."""
    values: dict[str, Any] = {name: draw(within(name)) for name in DECLARED if 'grid.' in name}
    coarse = math.sqrt(values['grid.length'] * values['grid.width'] / 5000)
    values['grid.resolution'] = min(5.0, max(values['grid.resolution'], coarse))
    return {**values, 'mounting': draw(MOUNTINGS)}


@st.composite
def camera_infos(draw: st.DrawFn) -> SimpleNamespace:
    focal = st.floats(20, 100) | st.floats(min_value=0) | NUMBERS
    center = st.floats(0, 64) | NUMBERS
    fx, fy, cx, cy = draw(focal), draw(focal), draw(center), draw(center)
    d = st.lists(NUMBERS, min_size=4, max_size=5) | st.lists(NUMBERS, max_size=14)
    return SimpleNamespace(
        width=SIZE[0],
        height=SIZE[1],
        k=[fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0],
        d=draw(st.just([]) | d),
        distortion_model=draw(st.sampled_from(['plumb_bob', 'rational_polynomial', 'equidistant'])),
        binning_x=0,
        binning_y=0,
        roi=SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0),
    )


@pytest.mark.filterwarnings('ignore::RuntimeWarning')  # of numbers that no camera has
@settings(max_examples=200)
@given(ground_settings(), camera_infos(), st.booleans())
def test_any_valid_settings_and_camera(values: dict[str, Any], info: Any, bonnet: bool) -> None:
    ego = np.zeros(SIZE[::-1], np.bool_)
    ego[40:] = bonnet
    drivable = 255 * MASK
    area = SimpleNamespace(free_space_boundary=free_space_boundary(drivable))
    seen = SimpleNamespace(size=SIZE, ego=ego, drivable=drivable, area=area)
    node = Settings().changed(values)
    camera = CameraGround('', lambda: node)
    image = SimpleNamespace(header=SimpleNamespace(stamp=None, frame_id='front'))
    ground = camera.of_frame(image, SIZE, seen, info)
    if ground is None:
        assert camera.problem
        return
    assert set(np.unique(ground.grid).tolist()) <= {-1, 0, 100}
    scan, ranges = ground.scan, ground.free_space_range
    assert not (scan > ground.range_max + 0.1)[np.isfinite(scan)].any()
    assert ranges.shape == SIZE[:1]
    assert (ranges[np.isfinite(ranges)] >= 0).all()
