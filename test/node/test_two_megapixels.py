# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Images of 6 MB between two processes: they arrive with the profile, or the node says why not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from ros_peers import QUICK_START, RELIABLE, Peer, Process, running, running_node
from sensor_msgs.msg import Image

from bisenet_ros.node.large_images import profile, use_profile

WIDTH, HEIGHT = 2048, 1024

# A camera driver as they are: a process of its own that knows nothing of this package.
CAMERA = f"""
import array
import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

rclpy.init()
node = rclpy.create_node('camera')
reliability = ReliabilityPolicy[__import__('sys').argv[1]]
publisher = node.create_publisher(Image, 'image', QoSProfile(depth=1, reliability=reliability))
image = Image(width={WIDTH}, height={HEIGHT}, encoding='bgr8', step=3 * {WIDTH})
image.data = array.array('B', bytes(3 * {WIDTH} * {HEIGHT}))

def publish():
    image.header.stamp = node.get_clock().now().to_msg()
    publisher.publish(image)

node.create_timer(1 / 30, publish)
rclpy.spin(node)
"""


@contextmanager
def camera(domain: int, reliability: str, *, with_profile: bool) -> Iterator[Process]:
    environment: dict[str, str] = {}
    if with_profile:
        use_profile(environment)
    with running([sys.executable, '-c', CAMERA, reliability], domain, environment) as process:
        yield process


@pytest.mark.slow
@pytest.mark.parametrize('reliability', ['BEST_EFFORT', 'RELIABLE'])
def test_with_the_profile_they_arrive(
    domain: int, peer: Peer, weights: Path, reliability: str
) -> None:
    messages = pytest.importorskip('bisenet_ros.msg', reason='needs the compiled messages')
    timings = peer.listen(messages.SegmentationTiming, 'segmentation/timing')
    labels = peer.listen(Image, 'segmentation/labels')
    with (
        running_node(domain, weights=weights, **QUICK_START),
        camera(domain, reliability, with_profile=True),
    ):
        timing = timings.wait(lambda timing: timing.frames_out >= 15)
        found = labels.wait()
    assert (found.width, found.height, found.step) == (WIDTH, HEIGHT, WIDTH)
    # Every frame arrived; those that found the worker busy were dropped on this side.
    in_time = timing.frames_out + timing.frames_dropped
    assert timing.frames_in - in_time in (0, 1)


@pytest.mark.slow
def test_without_it_the_node_says_why_they_do_not(domain: int, peer: Peer, weights: Path) -> None:
    diagnostics = peer.listen(DiagnosticArray, '/diagnostics', RELIABLE)
    with (
        camera(domain, 'BEST_EFFORT', with_profile=False),
        running_node(domain, weights=weights, **QUICK_START) as node,
    ):
        # How many get lost, most or all, is the machine's.
        line = node.wait_for_output('no frames|frames of /image got lost')
        told = 'best-effort images over 0.5 MB'
        array = diagnostics.wait(lambda array: told in array.status[0].message)
    assert array.status[0].level in (DiagnosticStatus.WARN, DiagnosticStatus.ERROR)
    for text in (line, array.status[0].message):
        assert told in text
        assert str(profile()) in text


@pytest.mark.slow
def test_a_publisher_that_is_less_reliable_than_asked_for_is_reported(
    domain: int, peer: Peer, weights: Path
) -> None:
    diagnostics = peer.listen(DiagnosticArray, '/diagnostics', RELIABLE)
    with (
        camera(domain, 'BEST_EFFORT', with_profile=True),
        running_node(domain, weights=weights, image_reliability='reliable', **QUICK_START) as node,
    ):
        node.wait_for_output('has an incompatible QoS .reliability., so nothing arrives from it')
        array = diagnostics.wait(lambda array: array.status[0].level == DiagnosticStatus.ERROR)
    assert 'set it to auto or best_effort' in array.status[0].message
