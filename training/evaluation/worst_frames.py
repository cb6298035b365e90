# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Collects the frames with the lowest mIoU, and draws them beside their ground truth."""

from __future__ import annotations

import math

import cv2
import numpy as np

from bisenet_ros.errors import printable
from bisenet_ros.formatting import percent
from bisenet_ros.label_space import IGNORE, LabelSpace
from bisenet_ros.overlay import overlay
from bisenet_training.evaluation.predictor import Pixels
from bisenet_training.evaluation.result import EvaluatedFrame

SHOWN = 12
"""Number of frames in a report."""

PANEL_WIDTH = 480
"""Maximum width in pixels of each of the four pictures of a frame."""

_ALPHA = 0.6
_WRONG = (0, 0, 255)  # BGR
_CAPTION = 28  # pixels


class WorstFrames:
    """Keeps the frames with the lowest mIoU.

    Attributes:
        frames: The kept frames, worst first.

    Args:
        count: Number of frames to keep.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self.frames: list[EvaluatedFrame] = []

    def offer(self, frame: EvaluatedFrame) -> None:
        """Keeps a frame if it is among the worst so far; ignores frames without ground truth."""
        if not math.isnan(frame.miou):
            ranked = sorted([*self.frames, frame], key=lambda one: (one.miou, one.index))
            self.frames = ranked[: self._count]


def draw_frame(frame: EvaluatedFrame, label_space: LabelSpace) -> Pixels:
    """Draws image, labels, ground truth and errors side by side, (H, W, 3) BGR.

    Errors are red, and pixels without ground truth are black.
    """
    sample = frame.sample
    grey = cv2.cvtColor(cv2.cvtColor(sample.image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    known = sample.labels != IGNORE
    errors = grey // 2 + 64
    errors[known & (frame.labels != sample.labels)] = _WRONG
    errors[~known] = 0
    panels = {
        'image': sample.image,
        'labels': overlay(sample.image, frame.labels, label_space, _ALPHA),
        'truth': overlay(sample.image, sample.labels, label_space, _ALPHA),
        'errors': errors,
    }
    captions = {'image': f'{sample.name}: mIoU {percent(frame.miou, 1)}'}
    return np.hstack(
        [_panel(picture, captions.get(what, what)) for what, picture in panels.items()]
    )


def _panel(picture: Pixels, caption: str) -> Pixels:
    """Returns a picture, scaled down if it is too wide, below a line of text."""
    height, width = picture.shape[:2]
    size = (PANEL_WIDTH, max(1, round(height * PANEL_WIDTH / width)))
    shrinks = width > PANEL_WIDTH
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_NEAREST
    shown = cv2.resize(picture, size, interpolation=interpolation)
    line = np.full((_CAPTION, PANEL_WIDTH, 3), 255, np.uint8)
    place = (6, _CAPTION - 9)
    text = printable(caption)  # OpenCV crashes on a name that is not UTF-8
    cv2.putText(line, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    return np.vstack([line, np.asarray(shown, np.uint8)])
