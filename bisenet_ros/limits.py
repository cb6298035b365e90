# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Size limits; input that exceeds them is damaged or malicious."""

from __future__ import annotations

MIN_SIDE = 32
"""Minimum width and height of a frame and of the network's input: the network's stride."""

MAX_SIDE = 8192
"""Maximum width and height; a larger value in a header is more likely corrupt than real."""

MAX_PIXELS = MAX_SIDE**2
"""Maximum number of pixels of a decoded image."""

MAX_IMAGE_SIDE = 32766
"""Maximum width and height of a decoded image: `cv2.remap` reads no larger one, and neither JPEG
nor libpng takes every larger one."""

MAX_CHUNK = 1 << 29
"""Maximum number of bytes of a decompressed chunk or message in a bag: more than twice an image of
the largest size."""

MAX_DOCUMENT = 1 << 22
"""Maximum number of bytes of a YAML file."""


def exceeded(width: int, height: int) -> str:
    """Returns the limit of decoded images that a size exceeds, for an error; empty if none."""
    if width * height > MAX_PIXELS:
        return f'over the limit of {MAX_PIXELS} pixels'
    if max(width, height) > MAX_IMAGE_SIDE:
        return f'over the limit of {MAX_IMAGE_SIDE} pixels per side'
    return ''
