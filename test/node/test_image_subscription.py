# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which topic a camera's images come from under remapping, and what its link tells of the graph."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace

import pytest
import rclpy
from rclpy.context import Context
from rclpy.event_handler import QoSSubscriptionEventType
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from ros_peers import TIMEOUT, Peer
from sensor_msgs.msg import CompressedImage, Image
from std_srvs.srv import Trigger

from bisenet_ros.camera_slot import CameraSlot
from bisenet_ros.node.image_subscription import ImageSubscription
from bisenet_ros.settings import Settings

SWAPPED = ('left/image:=right/image', 'right/image:=left/image')
SWAPPED_COMPRESSED = (
    'left/image/compressed:=right/image/compressed',
    'right/image/compressed:=left/image/compressed',
)

Create = Callable[..., Node]


@pytest.fixture
def create(domain: int) -> Iterator[Create]:
    """Creates nodes with remapping rules, which see each other at once."""
    context = Context()
    rclpy.init(context=context, domain_id=domain)
    nodes: list[Node] = []

    def create(name: str, *rules: str) -> Node:
        arguments = ['--ros-args', *(word for rule in rules for word in ('-r', rule))]
        node = Node(name, context=context, cli_args=arguments, enable_rosout=False)
        nodes.append(node)
        return node

    yield create
    for node in nodes:
        node.destroy_node()
    rclpy.shutdown(context=context)


def subscribe(node: Node, camera: str = '', transport: str = 'raw') -> ImageSubscription:
    slot = CameraSlot(camera, threading.Condition())
    return ImageSubscription(node, slot, Settings(transport=transport))


@pytest.mark.parametrize(
    ('transport', 'rules', 'topic', 'other'),
    [
        ('raw', (), '/left/image', '/left/image/compressed'),
        ('raw', ('left/image:=/a',), '/a', '/a/compressed'),
        ('raw', SWAPPED, '/right/image', '/right/image/compressed'),
        ('compressed', (), '/left/image/compressed', '/left/image'),
        ('compressed', ('left/image:=/a',), '/a/compressed', '/a'),
        ('compressed', ('left/image/compressed:=/b',), '/b', '/left/image'),
        ('compressed', ('left/image:=/a', 'left/image/compressed:=/b'), '/b', '/a'),
        ('compressed', SWAPPED, '/right/image/compressed', '/right/image'),
        ('compressed', SWAPPED_COMPRESSED, '/right/image/compressed', '/left/image'),
        ('compressed', SWAPPED + SWAPPED_COMPRESSED, '/right/image/compressed', '/right/image'),
    ],
)
def test_names_are_remapped_once(
    create: Create, transport: str, rules: Sequence[str], topic: str, other: str
) -> None:
    image = subscribe(create('segmenter', *rules), 'left', transport)
    camera = create('camera')
    assert image.topic == topic
    assert camera.count_subscribers(topic) == 1

    kinds = (Image, CompressedImage) if transport == 'raw' else (CompressedImage, Image)
    camera.create_publisher(kinds[1], other, 1)
    assert (image.link().offers, image.link().other_transport) == ([], other)
    camera.create_publisher(kinds[0], topic, 1)
    assert len(image.link().offers) == 1


def test_a_mistyped_rule_leaves_its_own_name_among_the_proposed_topics(create: Create) -> None:
    image = subscribe(create('segmenter', 'image:=/camera/image_rw'))
    create('camera').create_publisher(Image, '/image', 1)
    assert image.link().elsewhere() == ['/image']


def test_topics_of_the_other_cameras_are_not_proposed(create: Create) -> None:
    node, camera = create('segmenter'), create('camera')
    left, _ = subscribe(node, 'left'), subscribe(node, 'right')
    for topic in ('/right/image', '/spare/image'):
        camera.create_publisher(Image, topic, 1)
    assert left.link().elsewhere() == ['/spare/image']


def test_remapped_outputs_of_the_node_are_not_proposed(create: Create) -> None:
    node, camera = create('segmenter', 'segmentation/labels:=/labels'), create('camera')
    node.create_publisher(Image, 'segmentation/labels', 1)
    image = subscribe(node)
    camera.create_publisher(Image, '/spare/image', 1)
    assert image.link().elsewhere() == ['/spare/image']


def test_a_publisher_of_another_type_does_not_change_the_reliability(
    create: Create, peer: Peer
) -> None:
    def publish_best_effort() -> None:
        peer.node.create_publisher(CompressedImage, 'image', qos_profile_sensor_data)
        peer.node.create_service(Trigger, 'after_it', lambda _, response: response)

    node, camera = create('segmenter'), create('camera')
    camera.create_publisher(Image, 'image', 1)  # reliable
    peer.run(publish_best_effort)
    assert node.create_client(Trigger, 'after_it').wait_for_service(TIMEOUT)
    image = subscribe(node)
    link = image.link()
    assert (len(link.offers), len(link.publishers), link.reliable) == (2, 1, True)
    image.follow_publishers()
    assert image.link().reliable


def test_a_count_of_lost_frames_that_overflowed_is_no_count(create: Create) -> None:
    node, slot = create('segmenter'), CameraSlot('', threading.Condition())
    image = ImageSubscription(node, slot, Settings())
    (subscription,) = (one for one in node.subscriptions if one.topic_name == image.topic)
    (lost,) = (
        handler
        for handler in subscription.event_handlers
        if handler.event_type is QoSSubscriptionEventType.RCL_SUBSCRIPTION_MESSAGE_LOST
    )
    int32_max = 2**31 - 1
    for change in (
        3,
        int32_max,  # saturated
        int32_max + 1,  # with one more, where the middleware's sum has 64 bits
        2**64 - 2**31,  # the same sum, overflowed in 32 bits and made unsigned
        2**64 - 2,  # saturated twice
        4,
    ):
        lost.callback(SimpleNamespace(total_count=change, total_count_change=change))
    assert slot.state.counts.lost == 7
