# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One camera of the node, from its subscriptions to its outputs."""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo

from bisenet_ros.camera_ground import CameraGround
from bisenet_ros.camera_pipeline import CameraPipeline, SegmentedFrame
from bisenet_ros.camera_slot import CameraSlot
from bisenet_ros.label_space import LabelSpace
from bisenet_ros.node.camera_info_subscription import CameraInfoSubscription
from bisenet_ros.node.camera_task import CameraTask
from bisenet_ros.node.image_subscription import ImageSubscription
from bisenet_ros.node.publishers import CameraPublishers
from bisenet_ros.outputs import FrameResult
from bisenet_ros.settings import Settings
from bisenet_ros.trust.monitor import ClaimMonitor

if TYPE_CHECKING:  # imports torch, which the node does only when it is configured
    from bisenet_ros.segmenter import Segmenter


class Camera:
    """A camera with publishers and, between `subscribe` and `unsubscribe`, subscriptions.

    Attributes:
        slot: Holds its newest frame.
        ground: Projects its masks onto the ground.
        publishers: Publish its outputs.
        task: Reports its status; None without subscriptions.
    """

    def __init__(
        self, node: Node, slot: CameraSlot, ground: CameraGround, settings: Callable[[], Settings]
    ) -> None:
        """
        Args:
            node: The node that subscribes and publishes.
            slot: See the class.
            ground: See the class.
            settings: Returns the current parameters.
        """
        self.slot = slot
        self.ground = ground
        self.publishers = CameraPublishers(node, slot.name)
        self.task: CameraTask | None = None
        self._node = node
        self._settings = settings
        self._inputs: list[ImageSubscription | CameraInfoSubscription] = []
        self._monitor = ClaimMonitor()

    def subscribe(self, pipeline: CameraPipeline) -> None:
        """Subscribes to images, for the slot, and to CameraInfos, for the pipeline."""
        self.publishers.age_ms.clear()
        self._monitor.clear()
        image = ImageSubscription(self._node, self.slot, self._settings())
        info = CameraInfoSubscription(
            self._node,
            posixpath.join(self.slot.name, 'camera_info'),
            partial(self._take_camera_info, pipeline),
        )
        self._inputs += (image, info)
        logger = self._node.get_logger()
        self.task = CameraTask(
            self.slot,
            image.link,
            self.publishers.age_ms,
            self.ground,
            self.publishers.ground_wanted,
            self._monitor,
            self._settings,
            logger,
        )
        logger.info(f'{self.slot.label}: waiting for {image.topic}')

    def follow_publishers(self) -> None:
        """Subscribes again if the publishers need another quality of service."""
        for subscription in self._inputs:
            subscription.follow_publishers()

    def unsubscribe(self) -> None:
        """Destroys the subscriptions."""
        for subscription in self._inputs:
            subscription.destroy()
        self._inputs.clear()
        self.task = None

    def publish_label_info(self, label_space: LabelSpace) -> None:
        """Publishes the class names unless they were the last ones; from any thread."""
        self.publishers.publish_label_info(label_space, self._settings().confidence_threshold)

    def deliver(self, frame: SegmentedFrame, segmenter: Segmenter) -> None:
        """Publishes a frame and watches its confidence; called in the worker's thread.

        Args:
            frame: A frame of this camera.
            segmenter: The segmenter that made it.
        """
        # The first labels of other weights come after their classes.
        self.publish_label_info(frame.segmentation.label_space)
        result = FrameResult(frame, self._settings().overlay_alpha)
        self.publishers.publish(result, self.slot.count_published)
        claim = segmenter.checkpoint.claim
        if claim is None or segmenter.claim_problem:
            self._monitor.clear()
        else:
            self._monitor.add(claim, frame.segmentation.mean_confidence)

    def _take_camera_info(self, pipeline: CameraPipeline, info: CameraInfo) -> None:
        late = pipeline.take_camera_info(self.slot.name, info)
        if late is not None:
            self.publishers.publish_camera_info(late)
