# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a replay writes only on request, because it is large."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Extras:
    """What is wanted beside the usual files.

    Attributes:
        camera_images: The bag's images in output.mcap, too.
        video: The overlays of each camera as a video.
    """

    camera_images: bool = False
    video: bool = False


NO_EXTRAS = Extras()
