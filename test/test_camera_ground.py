# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a camera knows of the ground: CameraInfo that comes late or changes, and poses of TF."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bisenet_ros.camera_ground import NO_CAMERA_INFO, CameraGround, Transform
from bisenet_ros.settings import Settings

MOUNTING = (0.5, 0.0, 1.5, 0.0, 0.3, 0.0)
# The optical frame of a camera that looks ahead, level.
AHEAD = SimpleNamespace(x=-0.5, y=0.5, z=-0.5, w=0.5)
SEEN = SimpleNamespace(size=(128, 96), ego=None, drivable=np.full((96, 128), 255, np.uint8))


def camera_info(**changes: Any) -> SimpleNamespace:
    fields = {
        'width': 128,
        'height': 96,
        'k': [80.0, 0, 64, 0, 80, 48, 0, 0, 1],
        'd': [],
        'distortion_model': 'plumb_bob',
        'binning_x': 1,
        'binning_y': 1,
        'roi': SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0),
    }
    return SimpleNamespace(**{**fields, **changes})


def image(sec: int = 1, frame_id: str = 'front_optical') -> SimpleNamespace:
    stamp = SimpleNamespace(sec=sec, nanosec=0)
    return SimpleNamespace(header=SimpleNamespace(stamp=stamp, frame_id=frame_id))


@pytest.mark.parametrize(('camera', 'name'), [('', 'camera_info'), ('left', 'left/camera_info')])
def test_the_topic_that_a_node_waits_for_is_named(camera: str, name: str) -> None:
    settings = Settings(mounting=MOUNTING)
    ground = CameraGround(camera, lambda: settings, camera_info_topic='/robot/camera_info')
    assert ground.of_frame(image(), SEEN.size, SEEN, None) is None
    assert 'no CameraInfo received on /robot/camera_info' in ground.problem
    assert f'remap {name} to its topic' in ground.problem


def test_camera_info_comes_late_changes_and_is_refused() -> None:
    settings = Settings(mounting=MOUNTING, grid_resolution=0.25)
    camera = CameraGround('', lambda: settings)
    assert camera.of_frame(image(), SEEN.size, SEEN, None) is None
    assert camera.problem == f'no grid and no scan: {NO_CAMERA_INFO}'
    assert 'record it in bags' in NO_CAMERA_INFO  # a replay gives this advice, too
    assert camera.pose_source == 'mounting'

    camera.take_camera_info(camera_info())
    first = camera.of_frame(image(), SEEN.size, SEEN, None)
    assert first is not None
    assert camera.problem == ''
    again = camera.of_frame(image(2), SEEN.size, SEEN, camera_info())
    assert again is not None
    assert again.tables is first.tables  # the same camera: its tables are made once
    camera.take_camera_info(camera_info(k=[160.0, 0, 64, 0, 160, 48, 0, 0, 1]))
    zoomed = camera.of_frame(image(), SEEN.size, SEEN, None)
    assert zoomed is not None
    assert (zoomed.grid == 0).sum() != (first.grid == 0).sum()

    camera.take_camera_info(camera_info(k=[0.0] * 9))
    assert camera.of_frame(image(), SEEN.size, SEEN, None) is None
    assert 'zeros in K' in camera.problem
    camera.take_camera_info(camera_info(width=256, height=192))
    assert camera.of_frame(image(), SEEN.size, SEEN, None) is None
    assert 'is for 256x192, but the image has 128x96' in camera.problem
    camera.take_camera_info(camera_info(width=256, height=192, binning_x=2, binning_y=2))
    assert camera.of_frame(image(), SEEN.size, SEEN, None) is not None
    settings = settings.changed({'grid.pitch_uncertainty': 10.0, 'grid.max_error': 0.2})
    assert camera.of_frame(image(), SEEN.size, SEEN, None) is None
    assert 'grid.pitch_uncertainty 10 moves every point by more than grid.max_e' in camera.problem


def test_a_grid_without_known_cells_has_a_reason() -> None:
    high = (0.5, 0.0, 6.0, 0.0, 0.3, 0.0)
    settings = Settings(mounting=high, grid_resolution=0.05)
    camera = CameraGround('', lambda: settings)

    def problem() -> str:
        ground = camera.of_frame(image(), SEEN.size, SEEN, camera_info())
        assert ground is not None
        assert camera.problem == ''  # nobody has asked for the grid
        assert (ground.grid == -1).all()
        assert not np.isnan(ground.scan).all()
        return camera.problem

    assert problem() == (
        'all cells of the grid are unknown: each is smaller than the ground that one pixel shows: '
        'raise grid.resolution or output_size'
    )
    camera.clear()
    assert camera.problem == ''
    backwards = (*MOUNTING[:-1], np.pi)
    settings = settings.changed({'mounting': backwards, 'grid.resolution': 0.25})
    assert problem() == (
        'all cells of the grid are unknown: the grid is ahead of base_frame, and the camera shows '
        'no trusted ground there: check mounting, camera_info, grid.length and grid.width'
    )
    settings = settings.changed({'mounting': MOUNTING})
    ground = camera.of_frame(image(), SEEN.size, SEEN, camera_info())
    assert ground is not None
    assert (ground.grid == 0).any()
    assert camera.problem == ''


def test_masks_of_another_size_and_with_the_vehicle_in_them() -> None:
    settings = Settings(mounting=MOUNTING, grid_resolution=0.25)
    camera = CameraGround('', lambda: settings)
    whole = camera.of_frame(image(), SEEN.size, SEEN, camera_info())
    halved = SimpleNamespace(size=(64, 48), ego=None, drivable=SEEN.drivable[::2, ::2])
    half = camera.of_frame(image(), SEEN.size, halved, camera_info())
    assert whole is not None
    assert half is not None
    # The same ground: free as far as its coarser pixels can tell.
    assert ((half.grid == 0) <= (whole.grid == 0)).all()
    assert (half.grid == 0).sum() > 0.3 * (whole.grid == 0).sum()

    ego = np.zeros((96, 128), bool)
    ego[60:] = True
    mask = np.where(ego, 0, SEEN.drivable).astype(np.uint8)
    behind = SimpleNamespace(size=SEEN.size, ego=ego, drivable=mask)
    hidden = camera.of_frame(image(), SEEN.size, behind, camera_info())
    assert hidden is not None
    assert set(np.unique(hidden.grid)) == {-1, 0}  # the bonnet is no contact
    assert (hidden.grid[whole.grid == 0] == -1).any()


def test_settings_that_change_count_at_once() -> None:
    settings = Settings(mounting=MOUNTING, cameras=('front', 'left'))
    camera = CameraGround('left', lambda: settings)
    camera.take_camera_info(camera_info())
    before = camera.of_frame(image(), SEEN.size, SEEN, None)
    own = {'left.mounting': (0.0, 1.0, 3.0, 0.0, 0.5, 1.0), 'base_frame': 'base_link'}
    settings = settings.changed({**own, 'grid.length': 12.0})
    after = camera.of_frame(image(), SEEN.size, SEEN, None)
    assert before is not None
    assert after is not None
    assert (before.base_frame, after.base_frame) == ('base_footprint', 'base_link')
    assert (before.grid.shape, after.grid.shape) == ((200, 300), (200, 120))


class UnknownTransformError(Exception):
    """As tf2_ros.TransformException."""


class Buffer:
    """What a tf2_ros.Buffer does, of one transform."""

    def __init__(self) -> None:
        self.heights: dict[int, float] = {}  # by seconds; 0 is the latest
        self.asked: list[tuple[str, str, int]] = []

    def lookup_transform(self, target: str, source: str, time: Any) -> Any:
        seconds = time.nanoseconds // 10**9
        self.asked.append((target, source, seconds))
        if seconds not in self.heights:
            raise UnknownTransformError
        move = SimpleNamespace(x=0.0, y=0.0, z=self.heights[seconds])
        return SimpleNamespace(transform=SimpleNamespace(translation=move, rotation=AHEAD))

    def clear(self) -> None:
        self.heights.clear()


class Listener:
    """What a tf2_ros.TransformListener can do."""

    def unregister(self) -> None:
        pass


def ros_clock() -> Any:
    from rclpy.clock import ROSClock

    return ROSClock()


def listener_of(buffer: Any, clock: Any, forget: Callable[[], None] = lambda: None) -> Any:
    transforms = pytest.importorskip('bisenet_ros.node.transforms', reason='needs ROS 2')
    return transforms.TransformListener(buffer, Listener(), UnknownTransformError, clock, forget)


def test_poses_of_tf_at_the_stamp_else_the_latest_else_the_last() -> None:
    buffer = Buffer()
    listener = listener_of(buffer, ros_clock())
    camera = CameraGround('', Settings, listener)
    camera.take_camera_info(camera_info())

    def height(message: Any) -> float | None:
        found = camera.of_frame(message, SEEN.size, SEEN, None)
        return None if found is None else found.tables._pose.height

    assert height(image()) is None
    assert camera.pose_source == 'missing'
    assert camera.problem.endswith(
        'or publish the transform from base_footprint to front_optical on TF'
    )
    buffer.heights = {0: 1.0}
    assert height(image(5)) == 1.0
    assert buffer.asked[-2:] == [
        ('base_footprint', 'front_optical', 5),
        ('base_footprint', 'front_optical', 0),
    ]
    buffer.heights = {0: 1.0, 5: 2.0}
    assert height(image(5)) == 2.0
    assert camera.pose_source == 'tf'
    assert height(image(-3)) == 1.0  # a stamp that no time of rclpy can be
    buffer.heights = {}
    assert height(image(6)) == 1.0
    assert height(image(6, 'other')) is None
    assert height(image(6, '')) is None
    assert 'no frame_id' in camera.problem
    buffer.heights = {0: -1.0}
    assert height(image(6)) is None
    assert 'above the ground' in camera.problem


def test_a_known_pose_is_not_reported_as_missing_while_tf_is_asked() -> None:
    seen: list[str] = []

    class Watched:
        """Notes what diagnostics would read in another thread."""

        def find(self, parent: str, child: str, stamp: Any) -> Transform:
            seen.append(camera.pose_source)
            return Transform((0.0, 0.0, 1.5), (AHEAD.x, AHEAD.y, AHEAD.z, AHEAD.w))

    camera = CameraGround('', Settings, Watched())
    camera.take_camera_info(camera_info())
    for second in range(2):
        assert camera.of_frame(image(second), SEEN.size, SEEN, None) is not None
    assert seen == ['missing', 'tf']


def test_time_that_goes_back_clears_what_tf_said() -> None:
    time = pytest.importorskip('rclpy.time', reason='needs ROS 2')
    clock, buffer = ros_clock(), Buffer()
    clock._set_ros_time_is_active(True)
    listener = listener_of(buffer, clock, lambda: camera.forget_pose())
    camera = CameraGround('', Settings, listener)
    camera.take_camera_info(camera_info())
    for seconds, known in ((10, True), (20, True), (5, False)):
        buffer.heights = {5: 1.0}
        clock.set_ros_time_override(time.Time(seconds=seconds))
        assert (camera.of_frame(image(5), SEEN.size, SEEN, None) is not None) is known
    listener.destroy()
    buffer.heights = {5: 1.0}
    clock.set_ros_time_override(time.Time(seconds=1))
    assert buffer.heights


def test_the_real_tf2() -> None:
    tf2_ros = pytest.importorskip(
        'tf2_ros', reason='needs tf2_ros, which comes with ROS 2 but not with its wheels'
    )
    from geometry_msgs.msg import Quaternion, TransformStamped

    from bisenet_ros.node.transforms import TransformListener

    buffer = tf2_ros.Buffer()
    known = TransformStamped()
    known.header.frame_id, known.child_frame_id = 'base_footprint', 'front_optical'
    known.transform.translation.z = 1.25
    known.transform.rotation = Quaternion(x=-0.5, y=0.5, z=-0.5, w=0.5)
    buffer.set_transform_static(known, 'test')
    errors = tf2_ros.TransformException
    listener = TransformListener(buffer, None, errors, ros_clock(), lambda: None)
    camera = CameraGround('', Settings, listener)
    camera.take_camera_info(camera_info())
    found = camera.of_frame(image(), SEEN.size, SEEN, None)
    assert found is not None
    assert found.tables._pose.height == 1.25
    assert camera.of_frame(image(frame_id='unknown'), SEEN.size, SEEN, None) is None
