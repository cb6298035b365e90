# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Flicker: labels that change between frames where the image does not."""

from __future__ import annotations

from typing import ClassVar

import cv2
import numpy as np
import numpy.typing as npt

from bisenet_ros.label_space import LabelSpace
from bisenet_ros.metrics.metric import Figure, Frame, Metric

STILL = 4
"""Grey levels, of 255, by which a still pixel may differ, because of camera noise."""


def still_pixels(
    frame: npt.NDArray[np.uint8], previous: npt.NDArray[np.uint8]
) -> npt.NDArray[np.bool_]:
    """Returns (H, W), where two frames of the same size, (H, W, 3) BGR, are equal.

    Compares grey means over 3 x 3 pixels, so a moving area without texture also counts as still.
    """
    grey, before = (
        cv2.blur(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), (3, 3)) for image in (frame, previous)
    )
    return np.asarray(cv2.absdiff(grey, before) <= STILL)


class Flicker(Metric):
    """Counts pixels that are still between consecutive frames, and those whose label changed."""

    needs_truth = False

    def __init__(self, label_space: LabelSpace) -> None:
        super().__init__(label_space)
        self._still = 0
        self._changed = 0

    def update(self, frame: Frame) -> None:
        if frame.previous is None:
            return
        still = still_pixels(frame.image, frame.previous.image)
        if frame.ego is not None:  # it never moves, and never has a label
            still &= ~frame.ego
        self._still += int(np.count_nonzero(still))
        self._changed += int(np.count_nonzero((frame.labels != frame.previous.labels) & still))

    def add(self, other: Flicker) -> None:
        self._still += other._still
        self._changed += other._changed

    def rate(self) -> float:
        """Returns the fraction of still pixels whose label changed; NaN if none is still."""
        return self._changed / self._still if self._still else float('nan')

    figures: ClassVar = {Figure('flicker', 'flicker', better='lower'): rate}
