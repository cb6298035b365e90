# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Processes frames from a camera's messages to results, live and offline alike.

Nothing here knows ROS: messages are whatever has the fields of sensor_msgs' Image, CompressedImage
and CameraInfo.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bisenet_ros.batching import Batching
from bisenet_ros.camera_ground import CameraGround, Ground
from bisenet_ros.camera_info import CameraInfoMatcher, Sizes
from bisenet_ros.ego_mask import EgoMask
from bisenet_ros.image_codec import decode

if TYPE_CHECKING:  # torch, which a node loads only when it is configured
    from bisenet_ros.segmentation import Segmentation
    from bisenet_ros.segmenter import Segmenter

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Frame:
    """A camera's image with its pixels.

    Attributes:
        camera: Name of the camera that it came from.
        message: The image message as it came.
        pixels: (H, W, 3) uint8 BGR.
        decode_ms: What it took to get the pixels.
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
class SegmentedFrame(Frame):
    """A frame with what was found in it.

    Attributes:
        segmentation: Labels; drivable mask, confidence and the rest on demand.
        inference_ms: From the pixels to the labels, for the whole batch.
        camera_info: The camera's own CameraInfo of exactly the image's stamp; None where there is
            none yet.
        ground: What the mask says of the ground; None where CameraInfo or pose are not known.
    """

    segmentation: Segmentation
    inference_ms: float
    camera_info: Any = None
    ground: Ground | None = None


class Network(NamedTuple):
    """What segments the frames, and how those of several cameras."""

    segmenter: Segmenter
    batching: Batching


class CameraPipeline:
    """Decodes and segments the frames of one or more cameras; the home of what a camera remembers.

    Attributes:
        network: What segments the frames; replaced as a whole when another is loaded.
        ego_masks: By camera; one without has none.
    """

    def __init__(
        self,
        cameras: Sequence[str],
        network: Network,
        ego_masks: Mapping[str, EgoMask] = MappingProxyType({}),
        grounds: Mapping[str, CameraGround] = MappingProxyType({}),
    ) -> None:
        """
        Args:
            cameras: Their names.
            network: What segments the frames.
            ego_masks: See above.
            grounds: What turns the masks of a camera into ground, by its name.
        """
        self.network = network
        self.ego_masks = ego_masks
        self._grounds = grounds
        self._camera_infos = {camera: CameraInfoMatcher() for camera in cameras}

    def clear(self) -> None:
        """Forget what the cameras sent before."""
        for infos in self._camera_infos.values():
            infos.clear()
        for ground in self._grounds.values():
            ground.clear()

    def take_camera_info(self, camera: str, info: Any) -> Any:
        """Remember a CameraInfo for the frame of its stamp.

        Returns:
            The info for the masks of that frame if it was segmented before the info came, else
            None.
        """
        if camera in self._grounds:
            self._grounds[camera].take_camera_info(info)
        return self._camera_infos[camera].arrived(info)

    def decode(self, camera: str, message: Any) -> Frame:
        """A frame with its pixels.

        Raises:
            ImageError: The message contradicts itself or cannot be decoded, or the image has not
                the shape of the camera's ego mask.
        """
        start = time.perf_counter()
        pixels = decode(message)
        frame = Frame(camera, message, pixels, decode_ms=1e3 * (time.perf_counter() - start))
        if camera in self.ego_masks:
            self.ego_masks[camera].check(frame.size)
        return frame

    def segment(self, frames: Sequence[Frame]) -> list[SegmentedFrame]:
        """Segment frames of different cameras in one inference.

        Raises:
            RuntimeError: The device failed.
        """
        start = time.perf_counter()
        found = self.network.segmenter.batch(
            [frame.pixels for frame in frames],
            [self.ego_masks.get(frame.camera) for frame in frames],
        )
        inference_ms = 1e3 * (time.perf_counter() - start)
        return [
            self.with_ground(
                SegmentedFrame(
                    **vars(frame),
                    segmentation=segmentation,
                    inference_ms=inference_ms,
                    camera_info=self._camera_infos[frame.camera].match(
                        frame.message, Sizes(frame.size, segmentation.size)
                    ),
                )
            )
            for frame, segmentation in zip(frames, found, strict=True)
        ]

    def with_ground(self, frame: SegmentedFrame) -> SegmentedFrame:
        """A frame with what its mask says of the ground."""
        ground = self._grounds.get(frame.camera)
        if ground is None:
            return frame
        found = ground.of_frame(frame.message, frame.size, frame.segmentation, frame.camera_info)
        return replace(frame, ground=found)
