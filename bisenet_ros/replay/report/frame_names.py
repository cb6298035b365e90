# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Names the frames on a page, for readers and for links."""

from __future__ import annotations


def place(camera: str, frame: int, seconds: float) -> str:
    """Describes a frame by its time in the drive, its index and its image topic."""
    return f'{seconds:.1f} s, frame {frame} of {camera}'


def anchor(camera: str, frame: int) -> str:
    """Returns the id of a frame's picture on the page, which marks in charts link to."""
    return f'frame-{camera.strip("/").replace("/", "-")}-{frame}'
