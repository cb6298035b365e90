# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Subscribes to a camera's CameraInfo, including one that was published before."""

from __future__ import annotations

from collections.abc import Callable

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo

from bisenet_ros.message_types import CAMERA_INFO_TYPE

# Connects to every publisher.
_NEW = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
# Also gets the last message of a publisher that keeps it, but connects to no other publisher.
_KEPT = QoSProfile(
    depth=10,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


class CameraInfoSubscription:
    """Passes on every CameraInfo of one camera.

    Some drivers publish it only once, and keep it for late subscribers (transient local). The
    subscription asks for the kept message if every known publisher offers it, as rosbag2 does when
    it records.
    """

    def __init__(self, node: Node, name: str, take: Callable[[CameraInfo], None]) -> None:
        """
        Args:
            node: The node that subscribes.
            name: Name of the topic, not remapped.
            take: Receives each CameraInfo.
        """
        self._node = node
        self._name = name
        self._take = take
        self._qos = self._agreed_qos()
        self._subscription = self._subscribe()

    def destroy(self) -> None:
        """Destroys the subscription."""
        self._node.destroy_subscription(self._subscription)

    def follow_publishers(self) -> None:
        """Subscribes again if other publishers need the other quality of service."""
        qos = self._agreed_qos()
        if qos is not self._qos:
            self._qos = qos
            self.destroy()
            self._subscription = self._subscribe()

    def _subscribe(self) -> Subscription:
        return self._node.create_subscription(CameraInfo, self._name, self._take, self._qos)

    def _agreed_qos(self) -> QoSProfile:
        offers = [
            info.qos_profile
            for info in self._node.get_publishers_info_by_topic(self._name)  # remaps the name
            if info.topic_type == CAMERA_INFO_TYPE
        ]
        kept = all(
            offer.durability is DurabilityPolicy.TRANSIENT_LOCAL
            and offer.reliability is ReliabilityPolicy.RELIABLE
            for offer in offers
        )
        return _KEPT if offers and kept else _NEW
