# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Processes frames from a camera's messages to results, live and offline alike.

This module does not depend on ROS. A message is any object with the fields of Image,
CompressedImage or CameraInfo of sensor_msgs.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bisenet_ros.camera_ground import CameraGround, Ground
from bisenet_ros.camera_info import CameraInfoMatcher, Sizes
from bisenet_ros.ego_mask import EgoMask
from bisenet_ros.image_codec import decode

if TYPE_CHECKING:  # both import torch, which the node does only when it is configured
    from bisenet_ros.segmentation import Segmentation
    from bisenet_ros.segmenter import Segmenter

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class DecodedFrame:
    """A camera's image with its pixels.

    Attributes:
        camera: Name of its camera.
        message: The image message as it arrived.
        pixels: (H, W, 3) uint8 BGR.
        decode_ms: Time to decode the message.
    """

    camera: str
    message: Any
    pixels: Pixels
    decode_ms: float

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the pixels."""
        height, width = self.pixels.shape[:2]
        return width, height


@dataclass(frozen=True)
class SegmentedFrame(DecodedFrame):
    """A frame with its segmentation.

    Attributes:
        segmentation: Labels; drivable mask, confidence and area are computed on demand.
        inference_ms: Time from pixels to labels, for the whole batch.
        camera_info: The camera's own CameraInfo of exactly the image's stamp; None if there is
            none yet.
        ground: The mask projected onto the ground; None if CameraInfo or pose are unknown.
    """

    segmentation: Segmentation
    inference_ms: float
    camera_info: Any = None
    ground: Ground | None = None


class CameraPipeline:
    """Decodes and segments the frames of one or more cameras, and holds the state per camera.

    Attributes:
        segmenter: Segments the frames; replaced when another network is loaded.
        ego_masks: Ego mask by camera name, for cameras that have one.
    """

    def __init__(
        self,
        cameras: Sequence[str],
        segmenter: Segmenter,
        ego_masks: Mapping[str, EgoMask] = MappingProxyType({}),
        grounds: Mapping[str, CameraGround] = MappingProxyType({}),
    ) -> None:
        """
        Args:
            cameras: Names of the cameras.
            segmenter: See the class.
            ego_masks: See the class.
            grounds: Projects the masks of a camera onto the ground, by camera name.
        """
        self.segmenter = segmenter
        self.ego_masks = ego_masks
        self._grounds = grounds
        self._camera_infos = {camera: CameraInfoMatcher() for camera in cameras}

    def clear(self) -> None:
        """Forgets CameraInfos and poses."""
        for infos in self._camera_infos.values():
            infos.clear()
        for ground in self._grounds.values():
            ground.clear()

    def take_camera_info(self, camera: str, info: Any) -> Any:
        """Stores a CameraInfo for the frame of its stamp.

        Returns:
            The CameraInfo for the masks of that frame if it was segmented before, else None.
        """
        if camera in self._grounds:
            self._grounds[camera].take_camera_info(info)
        return self._camera_infos[camera].arrived(info)

    def decode(self, camera: str, message: Any) -> DecodedFrame:
        """Decodes an image message.

        Raises:
            ImageError: The message contradicts itself or cannot be decoded, or the image does not
                have the aspect ratio of the camera's ego mask.
        """
        start = time.perf_counter()
        pixels = decode(message)
        frame = DecodedFrame(camera, message, pixels, decode_ms=1e3 * (time.perf_counter() - start))
        if camera in self.ego_masks:
            self.ego_masks[camera].check(frame.size)
        return frame

    def segment(self, frames: Sequence[DecodedFrame]) -> list[SegmentedFrame]:
        """Segments frames of different cameras in one inference.

        Raises:
            NotFiniteError: The network's output is not finite.
            RuntimeError: The device failed.
        """
        start = time.perf_counter()
        segmentations = self.segmenter.batch(
            [frame.pixels for frame in frames],
            [self.ego_masks.get(frame.camera) for frame in frames],
        )
        inference_ms = 1e3 * (time.perf_counter() - start)
        segmented: list[SegmentedFrame] = []
        for frame, segmentation in zip(frames, segmentations, strict=True):
            sizes = Sizes(frame.size, segmentation.size)
            one = SegmentedFrame(
                **vars(frame),
                segmentation=segmentation,
                inference_ms=inference_ms,
                camera_info=self._camera_infos[frame.camera].match(frame.message, sizes),
            )
            segmented.append(self.with_ground(one))
        return segmented

    def with_ground(self, frame: SegmentedFrame) -> SegmentedFrame:
        """Returns the frame with its mask projected onto the ground."""
        ground = self._grounds.get(frame.camera)
        if ground is None:
            return frame
        found = ground.of_frame(frame.message, frame.size, frame.segmentation, frame.camera_info)
        return replace(frame, ground=found)
