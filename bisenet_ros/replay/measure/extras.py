# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Selects the optional outputs of a replay, which are large."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Extras:
    """Which optional outputs to write.

    Attributes:
        camera_images: Copy the images of the bag to output.mcap.
        video: Write an overlay video for each camera.
    """

    camera_images: bool = False
    video: bool = False


NO_EXTRAS = Extras()
