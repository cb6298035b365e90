# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The publishers of one camera: what is left out, and that it costs nothing then."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import rclpy
from rclpy.context import Context
from rclpy.node import Node
from ros_peers import Peer, fill_with, stamp_of, street
from sensor_msgs.msg import CameraInfo, Image

from bisenet_ros.camera_slot import CameraSlot
from bisenet_ros.node.messages import CameraOutputs, optional_message
from bisenet_ros.node.worker import SegmentedFrame
from bisenet_ros.segmenter import Segmenter


@pytest.fixture
def node(domain: int) -> Iterator[Node]:
    context = Context()
    rclpy.init(context=context, domain_id=domain)
    node = Node('segmenter', context=context, enable_rosout=False)
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)


@pytest.fixture(scope='module')
def segmenter(weights: Path) -> Segmenter:
    return Segmenter.load(weights, device='cpu')


@pytest.fixture
def frame(segmenter: Segmenter) -> SegmentedFrame:
    pixels = street(96, 128)
    message = Image()
    fill_with(pixels, 'bgr8')(message)
    message.header.stamp.sec = 12
    message.header.stamp.nanosec = 34
    return SegmentedFrame(
        slot=CameraSlot('front', threading.Condition()),
        message=message,
        pixels=pixels,
        decode_ms=1.0,
        segmentation=segmenter(pixels),
        inference_ms=2.0,
    )


def test_nothing_is_computed_for_nobody(node: Node, frame: SegmentedFrame) -> None:
    outputs = CameraOutputs(node, 'front/')
    outputs.publish(frame, overlay_alpha=0.5)
    assert not {'drivable', 'confidence'} & vars(frame.segmentation).keys()
    assert frame.slot.state.counts.published == 1
    assert outputs.age_ms.percentiles() is not None


@pytest.mark.parametrize('sec', [-(2**31), -1, 0, 2**31 - 1])
@pytest.mark.parametrize('nanosec', [0, 2**32 - 1])
def test_the_age_is_against_whatever_stamp_a_camera_gives(
    node: Node, frame: SegmentedFrame, sec: int, nanosec: int
) -> None:
    stamp = frame.message.header.stamp
    stamp.sec, stamp.nanosec = sec, nanosec
    outputs = CameraOutputs(node, '')
    before = time.time()
    outputs.publish(frame, overlay_alpha=0.5)
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
    ],
)
def test_what_is_computed_is_what_somebody_listens_to(
    node: Node, peer: Peer, frame: SegmentedFrame, topic: str, computed: set[str]
) -> None:
    inbox = peer.listen(Image, f'segmentation/{topic}')
    outputs = CameraOutputs(node, '')
    # Once more for as long as the two sides have not found each other.
    for _ in range(400):
        outputs.publish(frame, overlay_alpha=0.5)
        if inbox.arrives(within=0.05):
            break
    assert stamp_of(inbox.wait()) == (12, 34)
    assert {'drivable', 'confidence'} & vars(frame.segmentation).keys() == computed


def test_topics_come_and_go(node: Node) -> None:
    def published() -> set[str]:
        return {
            name for name, _ in node.get_topic_names_and_types() if name.startswith('/front/seg')
        }

    outputs = CameraOutputs(node, 'front/')
    names = {'labels', 'drivable', 'confidence', 'overlay', 'camera_info'}
    assert {f'/front/segmentation/{name}' for name in names} <= published()
    outputs.destroy()
    assert published() == set()


def test_messages_that_are_not_installed_are_left_out(
    node: Node, frame: SegmentedFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    # None is what makes an import fail.
    monkeypatch.setitem(sys.modules, 'bisenet_ros.msg', None)
    monkeypatch.setitem(sys.modules, 'vision_msgs', None)
    assert optional_message('bisenet_ros', 'DrivableArea') is None
    outputs = CameraOutputs(node, '')
    assert outputs.missing == [
        'bisenet_ros/DrivableArea',
        'bisenet_ros/SegmentationTiming',
        'vision_msgs/LabelInfo',
    ]
    topics = {name for name, _ in node.get_topic_names_and_types()}
    assert '/segmentation/labels' in topics
    assert '/segmentation/drivable_area' not in topics
    outputs.publish_label_info(frame.segmentation.label_space, threshold=0.0)
    outputs.publish(frame, overlay_alpha=0.5)


def test_an_info_that_is_later_than_its_frame_follows_it(
    node: Node, peer: Peer, frame: SegmentedFrame
) -> None:
    infos = peer.listen(CameraInfo, 'segmentation/camera_info')
    outputs = CameraOutputs(node, '')
    info = CameraInfo(header=frame.message.header)
    # Once more for as long as the two sides have not found each other.
    for _ in range(400):
        outputs.publish(frame, overlay_alpha=0.5)
        outputs.take_camera_info(info)
        if infos.arrives(within=0.05):
            break
    assert stamp_of(infos.wait()) == (12, 34)
