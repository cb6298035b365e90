# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Writes videos that break off."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bisenet_ros.media import VideoWriter


def write_broken_off_video(path: Path, frames: int) -> None:
    """Writes a WebM of 96x64 noise at 5 frames a second whose file ends after two fifths."""
    rng = np.random.default_rng(0)
    with VideoWriter(path, rate=5) as writer:
        for _ in range(frames):
            writer.write(rng.integers(0, 256, (64, 96, 3), dtype=np.uint8))
    break_off(path)


def break_off(path: Path) -> None:
    """Cuts a file after two fifths."""
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 5])
