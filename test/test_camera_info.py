# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which CameraInfo goes with a frame, and that one of another size projects to the same places."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from rosbags.typesys import Stores, get_typestore

from bisenet_ros.camera_info import CameraInfoMatcher, Sizes, scaled
from bisenet_ros.ground.region import Region

SENSOR = (1280, 960)
IMAGE = (480, 400)
"""What binning and ROI leave of the sensor."""


def of_rosbags() -> Any:
    """A CameraInfo as rosbags reads it."""
    types = get_typestore(Stores.ROS2_HUMBLE).types
    time = types['builtin_interfaces/msg/Time'](7, 8)
    return types['sensor_msgs/msg/CameraInfo'](
        header=types['std_msgs/msg/Header'](stamp=time, frame_id='front'),
        height=SENSOR[1],
        width=SENSOR[0],
        distortion_model='plumb_bob',
        d=np.array([0.1, -0.02, 0.003, 0.004, 0.005]),
        k=np.array([900.0, 0, 650, 0, 910, 470, 0, 0, 1]),
        r=np.eye(3).reshape(-1),
        p=np.array([880.0, 0, 640, -176, 0, 890, 480, 0, 0, 0, 1, 0]),
        binning_x=2,
        binning_y=2,
        roi=types['sensor_msgs/msg/RegionOfInterest'](20, 40, 800, 960, do_rectify=False),
    )


def of_rclpy() -> Any:
    """The same of rclpy."""
    messages = pytest.importorskip('sensor_msgs.msg', reason='needs ROS 2')
    same = of_rosbags()
    info = messages.CameraInfo()
    info.header.stamp.sec, info.header.stamp.nanosec = 7, 8
    for name in ('height', 'width', 'distortion_model', 'd', 'k', 'r', 'p'):
        setattr(info, name, getattr(same, name))
    info.binning_x = info.binning_y = 2
    for name in ('x_offset', 'y_offset', 'height', 'width'):
        setattr(info.roi, name, getattr(same.roi, name))
    return info


def test_rules_of_binning_and_roi() -> None:
    info = of_rosbags()
    assert Region.of(info) == Region((20, 40), (960, 800), (2, 2))
    assert Region.of(info).fits(IMAGE)
    info.roi.width = info.roi.height = info.binning_x = info.binning_y = 0
    assert Region.of(info) == Region((0, 0), SENSOR, (1, 1))
    info.binning_x = 3  # 1280 / 3 is no whole number: the last bin may be missing
    assert [Region.of(info).fits((width, SENSOR[1])) for width in (425, 426, 427, 428)] == [
        *(False, True, True, False)
    ]


@pytest.mark.parametrize('make', [of_rosbags, of_rclpy])
@pytest.mark.parametrize('found', [(240, 100), (96, 400), (1920, 1200)])
def test_points_are_where_the_mask_has_them(make: Any, found: tuple[int, int]) -> None:
    info = make()
    before = repr(info)
    other = scaled(info, Sizes(IMAGE, found))
    assert repr(info) == before
    assert (other.width, other.height) == found
    assert Region.of(other) == Region((0, 0), found, (1, 1))
    points = np.random.default_rng(0).uniform((-2, -2, 4), (2, 2, 9), (50, 3))  # (N, x y z), metres
    for matrix, shape in (('k', (3, 3)), ('p', (3, 4))):
        on_sensor = project(np.reshape(getattr(info, matrix), shape), points)
        in_image = (on_sensor - (info.roi.x_offset, info.roi.y_offset)) / 2
        # The image from edge to edge, -0.5 to size - 0.5, is the mask from edge to edge.
        in_mask = (in_image + 0.5) * np.divide(found, IMAGE) - 0.5
        projected = project(np.reshape(getattr(other, matrix), shape), points)
        np.testing.assert_allclose(projected, in_mask, atol=1e-9)
    for name in ('d', 'r', 'header', 'distortion_model'):
        assert np.all(getattr(other, name) == getattr(info, name))


@pytest.mark.parametrize(
    'sizes', [Sizes(IMAGE, IMAGE), Sizes((640, 480), (320, 240))], ids=['same', 'of no such image']
)
def test_what_says_nothing_of_another_size_is_passed_on_as_it_is(sizes: Sizes) -> None:
    info = of_rosbags()
    assert scaled(info, sizes) is info


@pytest.mark.parametrize('info_first', [True, False])
def test_an_info_that_comes_late_is_of_the_masks(info_first: bool) -> None:
    matcher, info, sizes = CameraInfoMatcher(), of_rosbags(), Sizes(IMAGE, (240, 100))
    if info_first:
        assert matcher.arrived(info) is None
        assert matcher.match(info, sizes) is info
    else:
        assert matcher.match(info, sizes) is None
        given = matcher.arrived(info)
        assert (given.width, given.height) == (240, 100)
    assert matcher.match(info, sizes) is info


def project(matrix: npt.NDArray[np.float64], points: npt.NDArray[np.float64]) -> Any:
    """(N, 2) pixels of (N, 3) points by a (3, 3) or (3, 4) matrix."""
    if matrix.shape[1] == 4:
        points = np.column_stack([points, np.ones(len(points))])
    u, v, w = matrix @ points.T
    return np.stack([u / w, v / w], axis=1)
