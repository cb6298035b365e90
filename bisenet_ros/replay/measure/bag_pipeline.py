# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sets up the node's pipeline for the cameras of a bag."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bisenet_ros.bag.messages import BagError
from bisenet_ros.bag.reader import ReplayBag
from bisenet_ros.bag.recorded_transforms import RecordedTransforms
from bisenet_ros.camera_ground import MISSING, CameraGround
from bisenet_ros.camera_pipeline import CameraPipeline
from bisenet_ros.ego_mask import load_ego_masks
from bisenet_ros.recorded_cameras import settings_for_recorded, unmatched_cameras
from bisenet_ros.segmenter import Segmenter
from bisenet_ros.settings import Settings


@dataclass(frozen=True)
class BagPipeline:
    """The pipeline for the cameras of a bag.

    Attributes:
        unmatched: Topics of the cameras that are none of the named cameras of the settings.
        pipeline: Decodes and segments their frames.
        grounds: Projects the masks of a camera onto the ground, by camera name.
        damage: Why the transforms of the bag cannot be read; empty if they can, or are not needed.
    """

    unmatched: Sequence[str]
    pipeline: CameraPipeline
    grounds: Mapping[str, CameraGround]
    damage: str

    @classmethod
    def of(cls, bag: ReplayBag, segmenter: Segmenter, settings: Settings) -> BagPipeline:
        """Sets up a pipeline as the node does.

        Args:
            bag: The cameras, and their poses on `/tf_static`.
            segmenter: Segments the frames.
            settings: Settings of the node; those of single cameras apply to the matching ones.

        Raises:
            UserError: An ego mask cannot be used.
        """
        topics = {camera.name: camera.image_topic for camera in bag.cameras}
        own = settings_for_recorded(settings, topics)
        cameras = list(topics)
        ego_masks = load_ego_masks({name: own.for_camera(name).ego_mask for name in cameras})
        transforms, damage = None, ''
        try:
            if not all(own.for_camera(name).mounting for name in cameras):
                transforms = RecordedTransforms(bag.static_transforms())
        except BagError as error:
            damage = str(error)
        grounds = {name: CameraGround(name, lambda: own, transforms) for name in cameras}
        pipeline = CameraPipeline(cameras, segmenter, ego_masks, grounds)
        return cls(unmatched_cameras(settings.cameras, topics), pipeline, grounds, damage)

    def notes(self, bag: ReplayBag) -> list[str]:
        """Explains, after the frames, which parameters and outputs of the node cameras lack."""
        unmatched = [
            f'{topic} is none of the cameras of the parameters: only general parameters apply to it'
            for topic in self.unmatched
        ]
        return unmatched + [
            f'{camera.image_topic}: {ground.problem}'
            for camera in bag.cameras
            if (ground := self.grounds[camera.name]).problem
            and (camera.camera_info_topic is not None or ground.pose_source != MISSING)
        ]
