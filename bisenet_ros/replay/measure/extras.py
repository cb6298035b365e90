# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Optional outputs of a replay, which are large."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Extras:
    """Which optional outputs to write.

    Attributes:
        camera_images: The images of the bag, into output.mcap.
        video: An overlay video for each camera.
    """

    camera_images: bool = False
    video: bool = False


NO_EXTRAS = Extras()
