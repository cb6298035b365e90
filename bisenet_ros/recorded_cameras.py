# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Finds which of the node's cameras a recorded camera is, and gives it that camera's settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bisenet_ros.settings import PER_CAMERA, Settings


def settings_for_recorded(settings: Settings, image_topics: Mapping[str, str]) -> Settings:
    """Returns the settings for a recording, by the names that its cameras have there.

    `cameras` does not change, because names of recorded cameras may be invalid for a node.

    Args:
        settings: The settings of the node.
        image_topics: Image topic by the name of the camera in the recording.
    """
    own = {
        declared.of_camera(recorded).name if recorded else declared.name: settings.of_cameras[name]
        for recorded, camera in _matches(settings.cameras, image_topics).items()
        for declared in PER_CAMERA.values()
        if (name := declared.of_camera(camera).name) in settings.of_cameras
    }
    return replace(settings, of_cameras={}).changed(own)


def unmatched_cameras(cameras: Sequence[str], image_topics: Mapping[str, str]) -> list[str]:
    """Returns the topics of recorded cameras that are none of the node's named cameras.

    Args:
        cameras: The value of the parameter `cameras`.
        image_topics: Image topic by the name of the camera in the recording.
    """
    if not any(cameras):
        return []
    found = _matches(cameras, image_topics)
    return [topic for name, topic in image_topics.items() if not found[name]]


def _matches(cameras: Sequence[str], image_topics: Mapping[str, str]) -> dict[str, str]:
    """Returns the node's camera for each recorded camera; empty for one that is none of them.

    It is the camera with the longest name that is part of the topic's namespace. Where there is
    only one camera on both sides, it is that one.
    """
    if len(cameras) == len(image_topics) == 1:
        return dict.fromkeys(image_topics, cameras[0])
    return {name: _camera_of(topic, cameras) for name, topic in image_topics.items()}


def _camera_of(image_topic: str, cameras: Sequence[str]) -> str:
    """Returns the longest name of a camera that is in a topic's namespace; empty if none is."""
    named = [camera for camera in cameras if f'/{camera}/' in f'/{image_topic.lstrip("/")}']
    return max(named, key=len, default='')
