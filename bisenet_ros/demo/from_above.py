# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Draws the ground of the frames of a demo as seen from above."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bisenet_ros.bag.reader import Camera, RecordedFrame
from bisenet_ros.birds_eye import birds_eye
from bisenet_ros.camera_ground import CameraGround, Ground
from bisenet_ros.ego_mask import load_ego_masks
from bisenet_ros.ground.tables import UNKNOWN
from bisenet_ros.recorded_cameras import settings_for_recorded
from bisenet_ros.segmentation import Segmentation
from bisenet_ros.settings import Settings

Pixels = npt.NDArray[np.uint8]

FOUND, TRUTH = 'ground, found', 'ground, truth'
"""Titles of the pictures."""


class GroundOfFrames:
    """Projects recorded masks onto the ground, as the node does for grid and scan.

    Attributes:
        ego_mask: The camera's ego mask; None without one.

    Args:
        camera: The camera of the frames.
        settings: The node's settings.

    Raises:
        UserError: The camera's ego mask cannot be used.
    """

    def __init__(self, camera: Camera, settings: Settings) -> None:
        recorded = settings_for_recorded(settings, {camera.name: camera.image_topic})
        own = recorded.for_camera(camera.name)
        self._layout = own.layout
        self._has_truth = camera.labels_topic is not None
        self._is_known = bool(own.mounting) and camera.camera_info_topic is not None
        self.ego_mask = load_ego_masks({camera.name: own.ego_mask}).get(camera.name)
        self._ground = CameraGround(camera.name, lambda: recorded)

    def of(self, frame: RecordedFrame, image: Pixels, found: Segmentation) -> Ground | None:
        """Projects the node's mask of a frame onto the ground; returns None if it cannot."""
        size = image.shape[1], image.shape[0]
        info = frame.latest_info if frame.camera_info is None else frame.camera_info
        return self._ground.of_frame(frame.message, size, found, info)

    def draw(
        self, ground: Ground | None, true_mask: Pixels | None, height: int
    ) -> dict[str, Pixels]:
        """Draws a frame's (height, W, 3) BGR pictures: `FOUND`, and `TRUTH` with ground truth.

        There are none if the camera lacks CameraInfo or `mounting`, which the projection needs.

        Args:
            ground: The node's mask projected onto the ground; None if unknown.
            true_mask: (H, W), 255 where drivable, else 0; None without ground truth.
            height: Height of the pictures, pixels.
        """
        if not self._is_known:
            return {}
        grids = {FOUND: None if ground is None else ground.grid}
        if self._has_truth:
            grids[TRUTH] = None
            if ground is not None and true_mask is not None:
                grids[TRUTH] = ground.tables.grid(true_mask)
        unknown = np.full(self._layout.shape, UNKNOWN, np.int8)
        return {
            title: birds_eye(unknown if grid is None else grid, self._layout, height, title)
            for title, grid in grids.items()
        }
