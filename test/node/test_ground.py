# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Grid, scan and ranges over DDS: three cameras of different sizes and poses, late CameraInfo."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import OccupancyGrid
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from ros_peers import (
    QUICK_START,
    RELIABLE,
    SENSOR_DATA,
    Inbox,
    Peer,
    fill_with,
    own_domain,
    pixels_of,
    running_node,
    stamp_of,
    street,
    values_of,
)
from sensor_msgs.msg import CameraInfo, Image, LaserScan

from bisenet_ros.camera_ground import CameraGround
from bisenet_ros.label_space import CAMVID
from bisenet_ros.segmenter import Segmenter
from bisenet_ros.settings import Settings

LATCHED = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)
SIZES = {'front': (160, 120), 'left': (128, 96), 'rear': (96, 64)}
MOUNTINGS = {
    'front': (1.0, 0.0, 1.5, 0.0, 0.3, 0.0),
    'left': (0.5, 0.5, 1.0, 0.1, 0.4, 1.2),
    'rear': (-0.5, 0.0, 2.0, 0.0, 0.5, 0.25),
}


def calibration(size: tuple[int, int], focal_length: float | None = None) -> CameraInfo:
    width, height = size
    focal = 0.6 * width if focal_length is None else focal_length
    info = CameraInfo(width=width, height=height, distortion_model='plumb_bob')
    info.k = [focal, 0.0, width / 2, 0.0, focal, height / 2, 0.0, 0.0, 1.0]
    info.d = [-0.1, 0.01, 0.001, -0.001, 0.0]
    return info


def fill_info(size: tuple[int, int], focal_length: float | None = None) -> Any:
    def fill(message: CameraInfo) -> None:
        info = calibration(size, focal_length)
        for name in ('width', 'height', 'distortion_model', 'k', 'd'):
            setattr(message, name, getattr(info, name))

    return fill


@pytest.fixture(scope='module')
def graph(weights: Path) -> Iterator[Peer]:
    """A node with three cameras, and its peer; a third of the classes may be driven on."""
    with own_domain() as domain:
        peer = Peer(domain)
        try:
            with running_node(
                domain,
                weights=weights,
                cameras=list(SIZES),
                drivable_classes=list(drivable(weights)),
                mounting=list(MOUNTINGS['front']),
                **{f'{name}.mounting': list(MOUNTINGS[name]) for name in ('left', 'rear')},
                **{'grid.resolution': 0.25},
                **QUICK_START,
            ):
                yield peer
        finally:
            peer.close()


def drivable(weights: Path) -> tuple[str, ...]:
    """What is commonest in a frame."""
    labels = Segmenter.load(weights, **QUICK_START)(street(120, 160)).labels
    return (CAMVID.names[int(np.bincount(labels.ravel()).argmax())],)


def of_frame(inbox: Inbox, other: Any) -> list[Any]:
    """The messages with the stamp of another one."""
    return [message for message in list(inbox.messages) if stamp_of(message) == stamp_of(other)]


def test_every_camera_has_its_ground(graph: Peer) -> None:
    with ExitStack() as stack:
        inboxes: dict[str, dict[str, Inbox]] = {}
        for name, (width, height) in SIZES.items():
            topic = f'{name}/segmentation'
            inboxes[name] = {
                'grid': graph.listen(OccupancyGrid, f'{topic}/grid', LATCHED),
                'scan': graph.listen(LaserScan, f'{topic}/free_space_scan', RELIABLE),
                'mask': graph.listen(Image, f'{topic}/drivable', RELIABLE),
            }
            stack.enter_context(
                graph.streaming(Image, f'{name}/image', fill_with(street(height, width), 'bgr8'))
            )
        # CameraInfo comes when images have been coming for a while.
        for found in inboxes.values():
            found['mask'].wait()
            assert not found['grid'].messages
        for name, size in SIZES.items():
            stack.enter_context(graph.streaming(CameraInfo, f'{name}/camera_info', fill_info(size)))
        for name, found in inboxes.items():
            grids, masks = found['grid'], found['mask']
            scan = found['scan'].wait(
                lambda scan, grids=grids, masks=masks: (
                    of_frame(grids, scan) and of_frame(masks, scan)
                )
            )
            (grid,), (mask,) = of_frame(grids, scan), of_frame(masks, scan)
            assert grid.header.frame_id == scan.header.frame_id == 'base_footprint'

            settings = Settings(mounting=MOUNTINGS[name], grid_resolution=0.25)
            pixels = pixels_of(mask)
            seen = SimpleNamespace(size=pixels.shape[::-1], ego=None, drivable=pixels)
            ground = CameraGround('', lambda settings=settings: settings).of_frame(
                mask, seen.size, seen, calibration(SIZES[name])
            )
            assert ground is not None
            assert (grid.info.width, grid.info.height) == ground.grid.shape[::-1] == (120, 80)
            assert grid.info.resolution == 0.25
            assert (grid.info.origin.position.x, grid.info.origin.position.y) == (0.0, -10.0)
            np.testing.assert_array_equal(grid.data, ground.grid.reshape(-1))
            np.testing.assert_array_equal(scan.ranges, ground.scan)
            assert len({*grid.data}) > 1
        late = graph.listen(OccupancyGrid, 'front/segmentation/grid', LATCHED)
        late.wait()


def test_a_camera_info_of_before_the_start_is_used_if_its_publisher_keeps_it(
    domain: int, peer: Peer, weights: Path
) -> None:
    publisher = peer.run(lambda: peer.node.create_publisher(CameraInfo, 'camera_info', LATCHED))
    publisher.publish(calibration(SIZES['front']))
    grids = peer.listen(OccupancyGrid, 'segmentation/grid', LATCHED)
    mounting = list(MOUNTINGS['front'])
    with (
        running_node(domain, weights=weights, mounting=mounting, **QUICK_START),
        peer.streaming(Image, 'image', fill_with(street(120, 160), 'bgr8')),
    ):
        before = grids.wait()
        peer.run(lambda: peer.node.destroy_publisher(publisher))
        # A publisher that keeps nothing takes over, for a camera of another focal length.
        fill = fill_info(SIZES['front'], focal_length=48.0)
        with peer.streaming(CameraInfo, 'camera_info', fill, qos=SENSOR_DATA):
            grids.wait(lambda grid: grid.data != before.data)


@pytest.mark.slow  # the grid's lifespan has to pass
def test_a_late_subscriber_gets_a_grid_of_now_or_none(graph: Peer) -> None:
    topic = '/front/segmentation/grid'
    fill = fill_with(street(120, 160), 'bgr8')
    with graph.streaming(CameraInfo, 'front/camera_info', fill_info(SIZES['front'])):
        with graph.streaming(Image, 'front/image', fill) as stream:
            for _ in range(2):  # the second one comes late, while there are frames
                graph.listen(OccupancyGrid, topic, LATCHED).wait(stream.sent)
        (endpoint,) = graph.node.get_publishers_info_by_topic(topic)
        lifespan = endpoint.qos_profile.lifespan.nanoseconds * 1e-9
        assert lifespan == 2.0
        # The last grid is older than its lifespan. (Earlier diagnostics may tell of the silence
        # before these frames.)
        diagnostics = graph.listen(DiagnosticArray, '/diagnostics', RELIABLE)
        diagnostics.wait(lambda array: silence(array, 'front') > 2 * lifespan)
        late = graph.listen(OccupancyGrid, topic, LATCHED)
        diagnostics.clear()
        diagnostics.wait()  # meanwhile the two sides find each other
        with graph.streaming(Image, 'front/image', fill) as stream:
            assert stream.sent(late.wait())


def silence(array: DiagnosticArray, camera: str) -> float:
    """Seconds since the camera's last frame; 0 where diagnostics do not say."""
    return float(values_of(array, f'camera {camera}').get('seconds_since_last_frame', 0.0))


def test_diagnostics_tell_where_poses_come_from(graph: Peer) -> None:
    array = graph.listen(DiagnosticArray, '/diagnostics', RELIABLE).wait(
        lambda array: any('camera left' in status.name for status in array.status)
    )
    poses = {
        status.name.rpartition(' ')[2]: value.value
        for status in array.status
        for value in status.values
        if value.key == 'pose'
    }
    assert set(poses) == set(SIZES)
