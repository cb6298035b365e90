# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Selects frames that are far enough apart to look different."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

_APART = 0.05
"""Distance of frames of a camera, as a fraction of the drive: neighbouring frames look alike."""

T = TypeVar('T')


def spaced(
    ranked: Iterable[T], count: int, span: float, where: Callable[[T], tuple[str, float]]
) -> list[T]:
    """Returns the first frames of a ranking that are not too close to an earlier one.

    Args:
        ranked: Frames, the most important one first.
        count: Maximum number of frames to return.
        span: Duration of the drive, seconds.
        where: Returns the camera of a frame, and its time in seconds.
    """
    taken: list[T] = []
    for one in ranked:
        if len(taken) == count:
            break
        camera, time = where(one)
        near = any(
            other == camera and abs(other_time - time) < _APART * span
            for other, other_time in map(where, taken)
        )
        if not near:
            taken.append(one)
    return taken
