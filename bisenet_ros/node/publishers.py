# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Publishes the outputs of one camera with rclpy."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import Header

from bisenet_ros import outputs
from bisenet_ros.camera_slot import FrameCounts
from bisenet_ros.image_codec import to_array
from bisenet_ros.label_space import LabelSpace
from bisenet_ros.message_types import optional_message
from bisenet_ros.node.statistics import Durations
from bisenet_ros.node.topic_names import topic_name
from bisenet_ros.outputs import (
    LABEL_INFO,
    LABELS,
    TIMING,
    FrameResult,
    Output,
    label_info,
    output_topic,
)
from bisenet_ros.stamps import nanoseconds

# Reliable, because a reliable writer matches every reader: RViz requests reliable by default, and a
# sensor-data reader accepts either. Keep-last, because the writer then never waits for a slow
# reader but replaces the oldest message. Volatile, because old labels are useless.
STREAM = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=5,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.VOLATILE,
)
# For messages that even a late subscriber needs.
LATCHED = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
# For the grid: Nav2's costmap asks for transient local, but takes cells of any age as current.
RECENT = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
    lifespan=Duration(seconds=2),
)


class CameraPublishers:
    """The publishers of one camera.

    Attributes:
        age_ms: Time from a frame's stamp to the publication of its labels, by the node's clock.
        missing: Message types that are not installed; their topics are not published.
    """

    def __init__(self, node: Node, camera: str) -> None:
        """
        Args:
            node: The node that publishes.
            camera: Name of the camera.
        """
        self._node = node
        self._publishers: dict[str, Publisher] = {}
        self._announcing = threading.Lock()
        self._announced: tuple[tuple[str, ...], float] | None = None  # names and threshold
        self.age_ms = Durations()
        self.missing: list[str] = []
        for output in outputs.OUTPUTS:
            self._create(camera, output.name, output.type, RECENT if output.recent else STREAM)
        self._create(camera, *LABEL_INFO, LATCHED)

    def destroy(self) -> None:
        """Destroys the publishers."""
        for publisher in self._publishers.values():
            self._node.destroy_publisher(publisher)
        self._publishers.clear()

    def publish_camera_info(self, info: Any) -> None:
        """Publishes a CameraInfo that arrived after its frame's labels."""
        self._publishers['camera_info'].publish(info)

    def publish_label_info(self, label_space: LabelSpace, threshold: float) -> None:
        """Publishes the class names, latched, unless they were the last ones; from any thread."""
        publisher = self._publishers.get(LABEL_INFO[0])
        if publisher is None:
            return
        with self._announcing:
            announced = (label_space.names, threshold)
            if announced == self._announced:
                return
            header = Header(stamp=self._node.get_clock().now().to_msg())
            publisher.publish(
                to_message(publisher.msg_type, label_info(label_space, threshold), header)
            )
            self._announced = announced

    def publish(self, result: FrameResult, count: Callable[[], FrameCounts]) -> None:
        """Publishes the outputs that have subscribers, with the frame's own header.

        The labels are published first; the other outputs are computed after that.

        Args:
            result: The frame; its `age_ms`, `publish_ms` and `counts` are set here.
            count: Counts the frame as published; called once all outputs but the timing are out.
        """
        start = time.perf_counter()
        for output in outputs.OUTPUTS:
            if output is TIMING:
                result.counts = count()
                result.publish_ms = 1e3 * (time.perf_counter() - start)
            self._publish(output, result)
            if output is LABELS:
                result.age_ms = self._age_ms(result.frame.message.header)
                self.age_ms.add(result.age_ms)

    def ground_wanted(self) -> bool:
        """Returns whether an output on the ground has a subscriber."""
        return any(
            output.on_ground
            and output.name in self._publishers
            and self._publishers[output.name].get_subscription_count() > 0
            for output in outputs.OUTPUTS
        )

    def _create(self, camera: str, name: str, kind: str, qos: QoSProfile) -> None:
        package, _, message_name = kind.split('/')
        message = optional_message(package, message_name)
        if message is None:
            self.missing.append(f'{package}/{message_name}')
            return
        topic = topic_name(self._node, output_topic(camera, name))
        self._publishers[name] = self._node.create_publisher(message, topic, qos)

    def _publish(self, output: Output, result: FrameResult) -> None:
        publisher = self._publishers.get(output.name)
        if publisher is None or not publisher.get_subscription_count():
            return
        filled = output.fill(result)
        if isinstance(filled, Mapping):
            stamp = result.frame.message.header.stamp
            header = Header(stamp=stamp, frame_id=output.frame_id(result))
            publisher.publish(to_message(publisher.msg_type, filled, header))
        elif filled is not None:
            publisher.publish(filled)

    def _age_ms(self, header: Header) -> float:
        now: int = self._node.get_clock().now().nanoseconds
        return 1e-6 * (now - nanoseconds(header.stamp))


def to_message(kind: Any, fields: Mapping[str, Any], header: Header | None = None) -> Any:
    """Creates an rclpy message from plain fields.

    Args:
        kind: The message class.
        fields: The fields, as from `Output.fill`.
        header: The header; None if the message has none.
    """
    message = kind() if header is None else kind(header=header)
    for name, value in fields.items():
        if isinstance(value, np.ndarray):
            value = to_array(value)
        elif isinstance(value, Mapping):
            value = to_message(type(getattr(message, name)), value)
        elif isinstance(value, list) and value and isinstance(value[0], Mapping):
            element = _element_type(kind, name)
            value = [to_message(element, each) for each in value]
        setattr(message, name, value)
    return message


def _element_type(kind: Any, field: str) -> Any:
    """Returns the message class of the elements of a sequence field."""
    described = kind.get_fields_and_field_types()[field]  # sequence<geometry_msgs/Point32>
    match = re.search(r'(\w+)/(\w+)', described)
    assert match is not None, described
    return optional_message(match[1], match[2])
