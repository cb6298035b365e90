# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Subscribes to a camera's images, with the reliability that its publishers offer."""

from __future__ import annotations

import posixpath
import time
from typing import Any

from rclpy.node import Node
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    QoSProfile,
    ReliabilityPolicy,
    qos_policy_name_from_kind,
)
from rclpy.subscription import Subscription
from rclpy.utilities import get_rmw_implementation_identifier
from sensor_msgs.msg import CompressedImage, Image

from bisenet_ros.camera_slot import CameraSlot
from bisenet_ros.message_types import COMPRESSED, COMPRESSED_IMAGE_TYPE, IMAGE_TYPE
from bisenet_ros.node.image_link import ImageLink, Offer, agreed_reliability
from bisenet_ros.node.topic_names import topic_name
from bisenet_ros.outputs import NAMESPACE
from bisenet_ros.settings import Settings

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

_TYPES = {IMAGE_TYPE: Image, COMPRESSED_IMAGE_TYPE: CompressedImage}
_INT32_MAX = (1 << 31) - 1


class ImageSubscription:
    """Puts every frame of one camera into its slot."""

    def __init__(self, node: Node, slot: CameraSlot, settings: Settings) -> None:
        self._node = node
        self._slot = slot
        self._follows = settings.image_reliability == 'auto'
        raw = self._input = posixpath.join(slot.name, 'image')
        compressed = topic_name(node, f'{raw}{COMPRESSED}')
        if settings.transport == 'compressed':
            self._name, other = compressed, raw
            self._type = COMPRESSED_IMAGE_TYPE
        else:
            self._name, other = raw, compressed
            self._type = IMAGE_TYPE
        # Not for calls that remap a name themselves: twice may be another topic.
        self._topic: str = node.resolve_topic_name(self._name)
        self._other_topic: str = node.resolve_topic_name(other)
        self._reliable = settings.image_reliability == 'reliable'
        if self._follows:
            self._reliable = agreed_reliability(self._offers(), self._type)
        self._subscription = self._subscribe()

    @property
    def topic(self) -> str:
        """The subscribed topic, after all remapping."""
        return self._topic

    def destroy(self) -> None:
        """Destroys the subscription."""
        self._node.destroy_subscription(self._subscription)

    def follow_publishers(self) -> None:
        """Subscribes again if the publishers' reliability has changed."""
        if not self._follows:
            return
        reliable = agreed_reliability(self._offers(), self._type)
        if reliable != self._reliable:
            self._reliable = reliable
            self.destroy()
            self._subscription = self._subscribe()

    def link(self) -> ImageLink:
        """Queries the graph for the camera's connection."""
        return ImageLink(
            topic=self._topic,
            type=self._type,
            reliable=self._reliable,
            offers=self._offers(),
            other_transport=self._other_topic if self._is_published(self._other_topic) else '',
            name=self._input,
            elsewhere=self._elsewhere,
            middleware=get_rmw_implementation_identifier(),
        )

    def _elsewhere(self) -> list[str]:
        node = self._node
        own = node.get_name(), node.get_namespace()
        # Topics of the node's other cameras, and its outputs, which may be remapped.
        subscribed = node.get_subscriber_names_and_types_by_node(*own)
        published = node.get_publisher_names_and_types_by_node(*own)
        taken = {self._topic, *(name for name, _ in (*subscribed, *published))}
        return [
            name
            for name, types in node.get_topic_names_and_types()
            if self._type in types
            and name not in taken
            and f'/{NAMESPACE}/' not in name
            and self._is_published(name)  # the graph also lists topics with subscribers only
        ]

    def _subscribe(self) -> Subscription:
        reliability = (
            ReliabilityPolicy.RELIABLE if self._reliable else ReliabilityPolicy.BEST_EFFORT
        )
        qos = QoSProfile(
            history=HistoryPolicy.KEEP_LAST,
            # One frame more than the slot keeps, so that none is lost if this process gets the CPU
            # late. If the network is slow, the slot drops it.
            depth=2,
            reliability=reliability,
            durability=DurabilityPolicy.VOLATILE,
        )
        return self._node.create_subscription(
            _TYPES[self._type],
            self._name,
            lambda message: self._slot.put(message, time.monotonic()),
            qos,
            event_callbacks=SubscriptionEventCallbacks(
                incompatible_qos=self._incompatible,
                message_lost=self._lost,
            ),
        )

    def _lost(self, event: Any) -> None:
        # Fast DDS reports INT32_MAX where it subtracts a sequence number from one that is not
        # higher. It adds up what it reports in 32 bits, which may overflow; rmw makes it unsigned.
        if event.total_count_change < _INT32_MAX:
            self._slot.count_lost(event.total_count_change)

    def _incompatible(self, event: Any) -> None:
        if self._follows:
            return  # the next check of the publishers resolves it
        policy = qos_policy_name_from_kind(event.last_policy_kind).lower()
        self._node.get_logger().warning(
            f'{self._slot.label}: a publisher of {self._topic} has an incompatible QoS ({policy}),'
            ' so nothing arrives from it. Set image_reliability to auto.'
        )

    def _offers(self) -> list[Offer]:
        return [
            Offer(info.topic_type, info.qos_profile.reliability is ReliabilityPolicy.RELIABLE)
            for info in self._node.get_publishers_info_by_topic(self._name)  # remaps the name
        ]

    def _is_published(self, topic: str) -> bool:
        count: int = self._node.count_publishers(topic)
        return count > 0
