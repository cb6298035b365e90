# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The package's own messages, as compiled at installation."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import rclpy.serialization
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Point32, Polygon
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from ros_peers import Peer, own_domain, running
from std_msgs.msg import Header

if shutil.which('c++') is None:
    pytest.skip('needs the compiled messages', allow_module_level=True)

from bisenet_ros.msg import DrivableArea, SegmentationTiming

ROOT = Path(__file__).parents[1]
# The subscriber gets what was published before it was there, so that nobody has to wait for it.
LATCHED = QoSProfile(
    depth=1,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
    reliability=ReliabilityPolicy.RELIABLE,
)
ECHO = """
import rclpy
import bisenet_ros.msg
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

qos = QoSProfile(
    depth=1,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
    reliability=ReliabilityPolicy.RELIABLE,
)
rclpy.init()
node = rclpy.create_node('echo')
for name in ('DrivableArea', 'SegmentationTiming'):
    message = getattr(bisenet_ros.msg, name)
    publisher = node.create_publisher(message, f'{name}/echo', qos)
    node.create_subscription(message, name, publisher.publish, qos)
rclpy.spin(node)
"""

HEADER = Header(stamp=Time(sec=-1, nanosec=999_999_999), frame_id='kamera_vorn_ä')
SAMPLES = [
    pytest.param(
        DrivableArea(
            header=HEADER,
            height=2**32 - 1,
            width=1920,
            fraction=0.25,
            confidence=0.875,
            free_space_boundary=list(range(1920)),
            free_space_range=[0.5, float('inf')],
            outline=Polygon(points=[Point32(x=1.5, y=-2.0), Point32(x=2.0**20, y=0.0)]),
        ),
        id='DrivableArea',
    ),
    pytest.param(DrivableArea(), id='empty DrivableArea'),
    pytest.param(
        SegmentationTiming(
            header=HEADER,
            decode_ms=0.5,
            inference_ms=1.5,
            publish_ms=2.5,
            age_ms=-3.5,
            frames_in=2**64 - 1,
            frames_out=2**63,
            frames_dropped=2**32,
            frames_malformed=1,
        ),
        id='SegmentationTiming',
    ),
]


@pytest.mark.parametrize('message', [DrivableArea, SegmentationTiming])
def test_compiled_fields_are_those_of_the_definition(message: type[Any]) -> None:
    text = (ROOT / 'msg' / f'{message.__name__}.msg').read_text()
    lines = [line.partition('#')[0].split() for line in text.splitlines()]
    names = [line[1] for line in lines if line]
    assert list(message.get_fields_and_field_types()) == names


@pytest.mark.parametrize('sample', SAMPLES)
def test_serialized_message_reads_the_same(sample: Any) -> None:
    serialized = rclpy.serialization.serialize_message(sample)
    assert rclpy.serialization.deserialize_message(serialized, type(sample)) == sample


@pytest.mark.parametrize('sample', SAMPLES)
def test_message_travels_to_another_process_and_back(sample: Any) -> None:
    topic = type(sample).__name__
    with own_domain() as domain, running([sys.executable, '-c', ECHO], domain):
        peer = Peer(domain)
        inbox = peer.listen(type(sample), f'{topic}/echo', LATCHED)
        peer.node.create_publisher(type(sample), topic, LATCHED).publish(sample)
        assert inbox.wait() == sample
        peer.close()
