# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The player's process: what it publishes, when, and what it says."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rclpy.qos import QoSProfile, ReliabilityPolicy
from ros_peers import Peer, pixels_of
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from small_bags import START, STEP, Entry, InfoEntry, drive, picture, truth_of, write_bag

from bisenet_ros.errors import UserError
from bisenet_ros.live.processes import Process, Processes

TIMEOUT = 90.0

EVERY_IMAGE = QoSProfile(depth=30, reliability=ReliabilityPolicy.BEST_EFFORT)
"""With a queue of 5, as of sensor data, a busy test process loses some."""


@pytest.fixture
def processes(domain: int, tmp_path: Path) -> Iterator[Processes]:
    environment = {**os.environ, 'ROS_DOMAIN_ID': str(domain)}
    with Processes(environment, tmp_path) as processes:
        yield processes


def start(processes: Processes, *arguments: str | Path) -> Process:
    command = [sys.executable, '-m', 'bisenet_ros.live.player', *map(str, arguments)]
    return processes.start('player', command)


def play(processes: Processes, player: Process) -> list[dict[str, Any]]:
    """Let it play; what it said of each frame. The last images may still be on their way."""
    player.tell('play')
    published = []
    while (event := next_event(processes))['event'] != 'end':
        published.append(event)
    return published


def next_event(processes: Processes) -> dict[str, Any]:
    event = processes.next_event(TIMEOUT)
    assert event is not None, 'no event in time'
    return event


def stamp_of(message: Any) -> int:
    stamp: int = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
    return stamp


def test_a_camera_as_it_was_recorded(processes: Processes, peer: Peer, tmp_path: Path) -> None:
    shifts = (0, 0, -1000)  # the last CameraInfo has the stamp of no frame
    infos = [
        InfoEntry('/camera_info', START + i * STEP + shift, 50.0 + i)
        for i, shift in enumerate(shifts)
    ]
    entries = sorted([*drive(4), *infos], key=lambda entry: entry.stamp)
    bag = write_bag(tmp_path / 'bag', entries)
    images = peer.listen(Image, 'image')
    camera_infos = peer.listen(CameraInfo, 'camera_info')
    truths = peer.listen(Image, 'ground_truth/labels')
    player = start(processes, bag, '--rate=4')
    assert next_event(processes) == {'event': 'ready', 'cameras': {'': [64, 48]}}
    probe = images.wait()
    np.testing.assert_array_equal(pixels_of(probe), picture(0))
    assert stamp_of(probe) > START + 4 * STEP  # none of the bag's
    for inbox in (camera_infos, truths):  # they are found, too
        inbox.wait()

    published = play(processes, player)
    stamps = [START + i * STEP for i in range(4)]
    assert [event['stamp'] for event in published] == stamps
    last = stamps[-1]
    for inbox in (images, truths):
        inbox.wait(lambda message: stamp_of(message) == last)
    for index, stamp in enumerate(stamps):
        image = images.wait(lambda message, stamp=stamp: stamp_of(message) == stamp)
        np.testing.assert_array_equal(pixels_of(image), picture(index))
        assert image.header.frame_id == 'camera'
        truth = truths.wait(lambda message, stamp=stamp: stamp_of(message) == stamp)
        np.testing.assert_array_equal(pixels_of(truth), truth_of(index))
        latest = infos[min(index, 2)]  # of its stamp, or recorded last
        info = camera_infos.wait(lambda message, stamp=latest.stamp: stamp_of(message) == stamp)
        assert info.k[0] == latest.focal
    processes.end(player)


def test_several_compressed_cameras_with_stamps_of_the_present(
    processes: Processes, peer: Peer, tmp_path: Path
) -> None:
    entries = [
        Entry(f'/{camera}/image_raw/compressed', START + i * STEP, picture(i), 'png')
        for i in range(3)
        for camera in ('front', 'rear')
    ]
    bag = write_bag(tmp_path / 'bag', entries)
    inboxes = {
        camera: peer.listen(CompressedImage, f'{camera}/image/compressed', EVERY_IMAGE)
        for camera in ('front', 'rear')
    }
    player = start(processes, bag, '--rate=4', '--restamp')
    assert next_event(processes)['cameras'].keys() == {'front', 'rear'}
    for inbox in inboxes.values():
        inbox.wait()
    before = time.time_ns()
    published = play(processes, player)
    assert [event['camera'] for event in published] == 3 * ['front', 'rear']
    stamps = [event['stamp'] for event in published]
    assert before < stamps[0]
    assert stamps == sorted(set(stamps))
    for event in published:
        stamp = event['stamp']
        inboxes[event['camera']].wait(lambda message, stamp=stamp: stamp_of(message) == stamp)
    processes.end(player)


def test_images_may_have_another_clock_than_their_camera_info(
    processes: Processes, peer: Peer, tmp_path: Path
) -> None:
    since_boot = 5 * 10**9
    entries = [
        InfoEntry('/camera_info', START, 50.0),
        Entry('/image', since_boot, picture(0), 'bgr8', delay=START - since_boot),
    ]
    bag = write_bag(tmp_path / 'bag', entries)
    images = peer.listen(Image, 'image')
    camera_infos = peer.listen(CameraInfo, 'camera_info')
    player = start(processes, bag)
    assert next_event(processes)['event'] == 'ready'
    assert stamp_of(images.wait()) > START  # a probe, at the present time
    play(processes, player)
    images.wait(lambda message: stamp_of(message) == since_boot)
    camera_infos.wait(lambda message: stamp_of(message) == START)
    processes.end(player)


def test_frames_are_played_when_they_are_due(processes: Processes, tmp_path: Path) -> None:
    hour = 3600 * 10**9
    entries = [Entry('/image', START + i * hour, picture(i), 'bgr8') for i in range(2)]
    bag = write_bag(tmp_path / 'bag', entries)
    fast = start(processes, bag, '--rate=1e6')
    assert next_event(processes)['event'] == 'ready'
    assert len(play(processes, fast)) == 2
    processes.end(fast)
    slow = start(processes, bag)
    assert next_event(processes)['event'] == 'ready'
    slow.tell('play')
    assert next_event(processes)['stamp'] == START
    slow.interrupt()
    assert next_event(processes) == {'event': 'end'}  # the second is not due for an hour


def test_no_frame_that_can_be_decoded(processes: Processes, tmp_path: Path) -> None:
    bag = write_bag(tmp_path / 'bag', [Entry('/image', START, picture(0), 'xyz8')])
    start(processes, bag)
    with pytest.raises(
        UserError, match="none of the frames can be used; the first: encoding 'xyz8'"
    ):
        processes.next_event(TIMEOUT)
