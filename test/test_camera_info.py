# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which CameraInfo goes with a frame, and that one of another size projects to the same places."""

from __future__ import annotations

import copy
from dataclasses import replace
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
SIZES = Sizes(image=IMAGE, masks=IMAGE)
TYPES = get_typestore(Stores.ROS2_HUMBLE).types


def header(sec: int, nanosec: int) -> Any:
    stamp = TYPES['builtin_interfaces/msg/Time'](sec, nanosec)
    return TYPES['std_msgs/msg/Header'](stamp=stamp, frame_id='front')


def stamped(sec: int, nanosec: int = 0) -> Any:
    return replace(of_rosbags(), header=header(sec, nanosec))


def of_rosbags() -> Any:
    """A CameraInfo as rosbags reads it."""
    return TYPES['sensor_msgs/msg/CameraInfo'](
        header=header(7, 8),
        height=SENSOR[1],
        width=SENSOR[0],
        distortion_model='plumb_bob',
        d=np.array([0.1, -0.02, 0.003, 0.004, 0.005]),
        k=np.array([900.0, 0, 650, 0, 910, 470, 0, 0, 1]),
        r=np.eye(3).reshape(-1),
        p=np.array([880.0, 0, 640, -176, 0, 890, 480, 0, 0, 0, 1, 0]),
        binning_x=2,
        binning_y=2,
        roi=TYPES['sensor_msgs/msg/RegionOfInterest'](20, 40, 800, 960, do_rectify=False),
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


def test_info_before_its_frame() -> None:
    matcher = CameraInfoMatcher()
    info = stamped(1, 500)
    assert matcher.arrived(info) is None
    assert matcher.match(stamped(1, 500), SIZES) is info


def test_info_after_its_frame() -> None:
    matcher = CameraInfoMatcher()
    info = stamped(1, 500)
    assert matcher.match(stamped(1, 500), SIZES) is None
    assert matcher.arrived(info) is info
    assert matcher.arrived(info) is None, 'a frame has one info'


@pytest.mark.parametrize('info_first', [True, False])
def test_frames_of_one_stamp_have_the_same_info(info_first: bool) -> None:
    matcher, info = CameraInfoMatcher(), stamped(0)
    if info_first:
        matcher.arrived(info)
        assert matcher.match(stamped(0), SIZES) is info
    else:
        matcher.match(stamped(0), SIZES)
        assert matcher.arrived(info) is info
    assert matcher.match(stamped(0), SIZES) is info
    newer = stamped(0)
    assert matcher.arrived(newer) is None
    assert matcher.match(stamped(0), SIZES) is newer


def test_info_of_another_stamp_is_never_given() -> None:
    matcher = CameraInfoMatcher()
    matcher.arrived(stamped(1, 499))
    assert matcher.match(stamped(1, 500), SIZES) is None
    assert matcher.arrived(stamped(1, 501)) is None


def test_only_the_last_infos_and_frames_are_remembered() -> None:
    matcher = CameraInfoMatcher(depth=2)
    for sec in range(3):
        matcher.arrived(stamped(sec))
    assert matcher.match(stamped(0), SIZES) is None
    assert matcher.match(stamped(1), SIZES) is not None
    for sec in range(10, 13):
        matcher.match(stamped(sec), SIZES)
    assert matcher.arrived(stamped(10)) is None
    assert matcher.arrived(stamped(12)) is not None


def test_an_info_is_there_when_a_slow_device_took_ten_seconds_for_its_frame() -> None:
    matcher = CameraInfoMatcher()
    for number in range(60 * 10):  # of a camera with 60 frames per second
        matcher.arrived(stamped(number))
    assert matcher.match(stamped(0), SIZES) is not None


def test_clear_forgets_infos_and_frames() -> None:
    matcher = CameraInfoMatcher()
    matcher.arrived(stamped(1))
    matcher.match(stamped(2), SIZES)
    matcher.clear()
    assert matcher.match(stamped(1), SIZES) is None
    assert matcher.arrived(stamped(2)) is None


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


def test_a_stamp_may_be_written_in_two_ways() -> None:
    """Some drivers write more than a second in nanoseconds; a replay matches such stamps, too."""
    matcher, info, sizes = CameraInfoMatcher(), of_rosbags(), Sizes(IMAGE, IMAGE)
    frame = copy.deepcopy(info)
    frame.header.stamp.sec -= 1
    frame.header.stamp.nanosec += 10**9
    matcher.arrived(info)
    assert matcher.match(frame, sizes) is info


def project(matrix: npt.NDArray[np.float64], points: npt.NDArray[np.float64]) -> Any:
    """(N, 2) pixels of (N, 3) points by a (3, 3) or (3, 4) matrix."""
    if matrix.shape[1] == 4:
        points = np.column_stack([points, np.ones(len(points))])
    u, v, w = matrix @ points.T
    return np.stack([u / w, v / w], axis=1)
