# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Names the frames on a page, for readers and for links."""

from __future__ import annotations

from bisenet_ros.replay.measure.evaluation import FrameId


def place(frame: FrameId, seconds: float) -> str:
    """Describes a frame by its time in the drive, its index and its image topic."""
    return f'{seconds:.1f} s, frame {frame.frame} of {frame.camera}'


def anchor(frame: FrameId) -> str:
    """Returns the id of a frame's picture on the page, which marks in charts link to."""
    return f'frame-{frame.camera.strip("/").replace("/", "-")}-{frame.frame}'
