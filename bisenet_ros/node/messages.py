# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the node publishes for one camera: topics, quality of service, how messages are filled."""

from __future__ import annotations

import array
import importlib
import time
from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt
from geometry_msgs.msg import Point32
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from bisenet_ros.camera_slot import CameraInfoMatcher
from bisenet_ros.drivable import free_space_boundary, mean_confidence, outline
from bisenet_ros.image_codec import fill_image
from bisenet_ros.label_space import LabelSpace
from bisenet_ros.node.statistics import Durations
from bisenet_ros.node.worker import SegmentedFrame
from bisenet_ros.overlay import overlay

# Reliable, because a reliable writer connects to every reader: RViz asks for reliable by default,
# and a sensor-data reader takes either. Keep-last, because its writer never waits for a slow
# reader: the oldest message makes room. Volatile, because old labels are of no use.
STREAM = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=5,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.VOLATILE,
)
# What a reader needs once, however late it comes.
LATCHED = QoSProfile(
    history=HistoryPolicy.KEEP_LAST,
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


def optional_message(package: str, name: str) -> Any:
    """A message type by name; None where its package is not installed or not compiled."""
    try:
        return getattr(importlib.import_module(f'{package}.msg'), name)
    except ImportError:
        return None


class CameraOutputs:
    """The publishers of one camera, and the CameraInfos that wait for their frames.

    Attributes:
        age_ms: From a frame's stamp to the publication of its labels, by the node's clock.
        missing: Message types that are not installed, whose topics are therefore not there.
    """

    def __init__(self, node: Node, prefix: str) -> None:
        """
        Args:
            node: The node that publishes.
            prefix: In front of every topic: '', or a camera's name and a slash.
        """
        self._node = node
        self._prefix = prefix
        self._publishers: list[Publisher] = []
        self._infos = CameraInfoMatcher()
        self.age_ms = Durations()
        self.missing: list[str] = []
        self._labels = self._publisher('labels', Image)
        self._drivable = self._publisher('drivable', Image)
        self._confidence = self._publisher('confidence', Image)
        self._overlay = self._publisher('overlay', Image)
        self._camera_info = self._publisher('camera_info', CameraInfo)
        self._area = self._optional_publisher('drivable_area', 'bisenet_ros', 'DrivableArea')
        self._timing = self._optional_publisher('timing', 'bisenet_ros', 'SegmentationTiming')
        self._label_info = self._optional_publisher(
            'label_info', 'vision_msgs', 'LabelInfo', LATCHED
        )

    def destroy(self) -> None:
        """Take the topics out of the graph."""
        for publisher in self._publishers:
            self._node.destroy_publisher(publisher)
        self._publishers.clear()

    def clear(self) -> None:
        """Forget earlier frames."""
        self._infos.clear()
        self.age_ms.clear()

    def take_camera_info(self, info: CameraInfo) -> None:
        """Take in a CameraInfo; it is published with the labels of exactly its stamp."""
        late = self._infos.arrived(info)
        if late is not None:
            self._camera_info.publish(late)

    def publish_label_info(self, label_space: LabelSpace, threshold: float) -> None:
        """Say what the ids mean, to everyone who listens or will listen."""
        if self._label_info is None:
            return
        vision_class = optional_message('vision_msgs', 'VisionClass')
        info = self._label_info.msg_type(threshold=threshold)
        info.header.stamp = self._node.get_clock().now().to_msg()
        info.class_map = [
            vision_class(class_id=index, class_name=name)
            for index, name in enumerate(label_space.names)
        ]
        self._label_info.publish(info)

    def publish(self, frame: SegmentedFrame, overlay_alpha: float) -> None:
        """Publish what somebody listens to, under the frame's own header; count it as published.

        The labels go out first: whatever else is wanted is computed after that.
        """
        start = time.perf_counter()
        header = frame.message.header
        if _wanted(self._labels):
            self._labels.publish(_image(header, frame.segmentation.labels, 'mono8'))
        age_ms = self._age_ms(header)
        self.age_ms.add(age_ms)
        if _wanted(self._drivable):
            self._drivable.publish(_image(header, frame.segmentation.drivable, 'mono8'))
        info = self._infos.match(frame.message)
        if info is not None:
            self._camera_info.publish(info)
        if self._area is not None and _wanted(self._area):
            self._area.publish(_drivable_area(self._area.msg_type, frame))
        if _wanted(self._confidence):
            self._confidence.publish(_image(header, frame.segmentation.confidence, 'mono8'))
        if _wanted(self._overlay):
            self._overlay.publish(_image(header, _overlay_rgb(frame, overlay_alpha), 'rgb8'))
        counts = frame.slot.count_published()
        if self._timing is not None and _wanted(self._timing):
            timing = self._timing.msg_type(
                header=header,
                decode_ms=frame.decode_ms,
                inference_ms=frame.inference_ms,
                publish_ms=1e3 * (time.perf_counter() - start),
                age_ms=age_ms,
                frames_in=counts.received,
                frames_out=counts.published,
                frames_dropped=counts.dropped,
                frames_malformed=counts.malformed,
            )
            self._timing.publish(timing)

    def _publisher(self, name: str, message: Any, qos: QoSProfile = STREAM) -> Publisher:
        topic = f'{self._prefix}segmentation/{name}'
        publisher = self._node.create_publisher(message, topic, qos)
        self._publishers.append(publisher)
        return publisher

    def _optional_publisher(
        self, name: str, package: str, message_name: str, qos: QoSProfile = STREAM
    ) -> Publisher | None:
        message = optional_message(package, message_name)
        if message is None:
            self.missing.append(f'{package}/{message_name}')
            return None
        return self._publisher(name, message, qos)

    def _age_ms(self, header: Header) -> float:
        # Not by rclpy's Time, which refuses the negative seconds that a message can have.
        stamp: int = header.stamp.sec * 10**9 + header.stamp.nanosec
        now: int = self._node.get_clock().now().nanoseconds
        return 1e-6 * (now - stamp)


def _wanted(publisher: Publisher) -> bool:
    subscriptions: int = publisher.get_subscription_count()
    return subscriptions > 0


def _image(header: Header, pixels: npt.NDArray[np.uint8], encoding: str) -> Image:
    image = Image(header=header)
    fill_image(image, pixels, encoding)
    return image


def _overlay_rgb(frame: SegmentedFrame, alpha: float) -> npt.NDArray[np.uint8]:
    segmentation = frame.segmentation
    drawn = overlay(
        frame.pixels,
        segmentation.labels,
        segmentation.label_space,
        alpha,
        drivable=segmentation.drivable,
    )
    return cast('npt.NDArray[np.uint8]', cv2.cvtColor(drawn, cv2.COLOR_BGR2RGB))


def _drivable_area(message_type: Any, frame: SegmentedFrame) -> Any:
    mask = frame.segmentation.drivable
    boundary = array.array('I')
    boundary.frombytes(free_space_boundary(mask).astype(np.uint32).tobytes())
    area = message_type(
        header=frame.message.header,
        height=mask.shape[0],
        width=mask.shape[1],
        fraction=cv2.countNonZero(mask) / mask.size,
        confidence=mean_confidence(mask, frame.segmentation.confidence),
        free_space_boundary=boundary,
    )
    area.outline.points = [Point32(x=x, y=y) for x, y in outline(mask).tolist()]
    return area
