# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The publishers of one camera: what is left out, and that it costs nothing then."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any

import pytest
import rclpy
from rclpy.context import Context
from rclpy.node import Node
from ros_peers import TIMEOUT, Inbox, Peer, fill_with, stamp_of, street
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from bisenet_ros.camera_pipeline import SegmentedFrame
from bisenet_ros.camera_slot import CameraSlot, FrameCounts
from bisenet_ros.message_types import optional_message
from bisenet_ros.node.publishers import CameraPublishers
from bisenet_ros.outputs import OUTPUTS, FrameResult
from bisenet_ros.segmenter import Segmenter


@pytest.fixture
def node(domain: int) -> Iterator[Node]:
    context = Context()
    rclpy.init(context=context, domain_id=domain)
    node = Node('segmenter', context=context, enable_rosout=False)
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)


@pytest.fixture
def frame(segmenter: Segmenter) -> SegmentedFrame:
    pixels = street(96, 128)
    message = Image()
    fill_with(pixels, 'bgr8')(message)
    message.header.stamp.sec = 12
    message.header.stamp.nanosec = 34
    return SegmentedFrame(
        camera='front',
        message=message,
        pixels=pixels,
        decode_ms=1.0,
        segmentation=segmenter(pixels),
        inference_ms=2.0,
        camera_info=CameraInfo(header=message.header),
    )


def publish(publishers: CameraPublishers, frame: SegmentedFrame) -> FrameCounts:
    slot = CameraSlot('front', threading.Condition())
    publishers.publish(FrameResult(frame, overlay_alpha=0.5), slot.count_published)
    return slot.state.counts


def first_message(inbox: Inbox, publish: Callable[[], object]) -> Any:
    """The first message that arrives; published again until the two sides have found each other."""
    end = time.monotonic() + TIMEOUT
    while not inbox.arrives(within=0.05):
        assert time.monotonic() < end, f'nothing within {TIMEOUT} s'
        publish()
    return inbox.wait()


def test_nothing_is_computed_for_nobody(node: Node, frame: SegmentedFrame) -> None:
    outputs = CameraPublishers(node, 'front')
    assert publish(outputs, frame).published == 1
    assert not {'drivable', 'confidence', 'area'} & vars(frame.segmentation).keys()
    assert outputs.age_ms.percentiles() is not None


@pytest.mark.parametrize('sec', [-(2**31), -1, 0, 2**31 - 1])
@pytest.mark.parametrize('nanosec', [0, 2**32 - 1])
def test_the_age_is_against_whatever_stamp_a_camera_gives(
    node: Node, frame: SegmentedFrame, sec: int, nanosec: int
) -> None:
    stamp = frame.message.header.stamp
    stamp.sec, stamp.nanosec = sec, nanosec
    outputs = CameraPublishers(node, '')
    before = time.time()
    publish(outputs, frame)
    after = time.time()
    percentiles = outputs.age_ms.percentiles()
    assert percentiles is not None
    assert before <= percentiles.p50 / 1e3 + sec + nanosec / 1e9 <= after


@pytest.mark.parametrize(
    ('topic', 'computed'),
    [
        ('labels', set()),
        ('drivable', {'drivable'}),
        ('confidence', {'confidence'}),
        ('overlay', {'drivable'}),
        ('camera_info', set()),
        ('labels/compressed', set()),
        ('confidence/compressed', {'confidence'}),
    ],
)
def test_what_is_computed_is_what_somebody_listens_to(
    node: Node, peer: Peer, frame: SegmentedFrame, topic: str, computed: set[str]
) -> None:
    kind = CompressedImage if topic.endswith('/compressed') else Image
    if topic == 'camera_info':
        kind = CameraInfo
    inbox = peer.listen(kind, f'segmentation/{topic}')
    outputs = CameraPublishers(node, '')
    assert stamp_of(first_message(inbox, lambda: publish(outputs, frame))) == (12, 34)
    assert {'drivable', 'confidence'} & vars(frame.segmentation).keys() == computed


@pytest.mark.parametrize(
    ('rules', 'labels', 'compressed'),
    [
        ((), '/front/segmentation/labels', '/front/segmentation/labels/compressed'),
        (('front/segmentation/labels:=/ids',), '/ids', '/ids/compressed'),
        (
            ('front/segmentation/labels/compressed:=/png',),
            '/front/segmentation/labels',
            '/png',
        ),
        (
            ('front/segmentation/labels:=/ids', 'front/segmentation/labels/compressed:=/png'),
            '/ids',
            '/png',
        ),
    ],
)
def test_compressed_images_follow_the_remapping_of_the_raw_ones(
    domain: int, rules: Sequence[str], labels: str, compressed: str
) -> None:
    context = Context()
    rclpy.init(context=context, domain_id=domain)
    arguments = ['--ros-args', *(word for rule in rules for word in ('-r', rule))]
    node = Node('segmenter', context=context, cli_args=arguments, enable_rosout=False)
    CameraPublishers(node, 'front')
    published = {
        topic: types[0]
        for topic, types in node.get_topic_names_and_types()
        if topic in (labels, compressed)
    }
    node.destroy_node()
    rclpy.shutdown(context=context)
    assert published == {
        labels: 'sensor_msgs/msg/Image',
        compressed: 'sensor_msgs/msg/CompressedImage',
    }


def test_topics_come_and_go(node: Node) -> None:
    def published() -> set[str]:
        return {
            name for name, _ in node.get_topic_names_and_types() if name.startswith('/front/seg')
        }

    outputs = CameraPublishers(node, 'front')
    assert {f'/front/segmentation/{output.name}' for output in OUTPUTS} <= published()
    outputs.destroy()
    assert published() == set()


def test_messages_that_are_not_installed_are_left_out(
    node: Node, frame: SegmentedFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    # None is what makes an import fail; an older package lacks the message.
    monkeypatch.setitem(sys.modules, 'bisenet_ros.msg', None)
    monkeypatch.setitem(sys.modules, 'vision_msgs.msg', ModuleType('vision_msgs.msg'))
    assert optional_message('bisenet_ros', 'DrivableArea') is None
    outputs = CameraPublishers(node, '')
    own = [output.type for output in OUTPUTS if output.type.startswith('bisenet_ros/')]
    assert outputs.missing == [
        *(kind.replace('/msg/', '/') for kind in own),
        'vision_msgs/LabelInfo',
    ]
    topics = {name for name, _ in node.get_topic_names_and_types()}
    assert '/segmentation/labels' in topics
    assert '/segmentation/drivable_area' not in topics
    outputs.publish_label_info(frame.segmentation.label_space, threshold=0.0)
    publish(outputs, frame)


def test_an_info_is_passed_on_as_it_came(node: Node, peer: Peer, frame: SegmentedFrame) -> None:
    infos = peer.listen(CameraInfo, 'segmentation/camera_info')
    outputs = CameraPublishers(node, '')
    info = first_message(infos, lambda: outputs.publish_camera_info(frame.camera_info))
    assert stamp_of(info) == (12, 34)
