# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Draws labels over a frame, for display."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from bisenet_ros.label_space import IGNORE, LabelSpace
from bisenet_ros.resizing import resize

_EDGE_COLOR = (255, 255, 255)


def overlay(
    frame: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.uint8],
    label_space: LabelSpace,
    alpha: float,
    *,
    drivable: npt.NDArray[np.uint8] | None = None,
) -> npt.NDArray[np.uint8]:
    """Tints every labelled pixel of a frame in the colour of its class.

    Args:
        frame: BGR of any size; it is resized to the size of the labels.
        labels: (H, W) class ids; pixels that are not labelled (255) are not tinted.
        label_space: The colours.
        alpha: Opacity of the colours, 0 (the frame alone) to 1 (the colours alone).
        drivable: (H, W) drivable mask, 0 or 255; its edge is drawn as a white line unless `alpha`
            is 0.

    Returns:
        (H, W, 3) BGR, a new array.
    """
    frame = resize(frame, (labels.shape[1], labels.shape[0]))
    bgr_table = label_space.color_table()[:, np.newaxis, ::-1]  # (256, 1, 3)
    colors = cv2.applyColorMap(labels, np.ascontiguousarray(bgr_table))
    blended = cv2.addWeighted(frame, 1 - alpha, colors, alpha, 0)
    blended = cv2.copyTo(frame, cv2.inRange(labels, IGNORE, IGNORE), blended)
    if drivable is not None and alpha > 0:
        contours, _ = cv2.findContours(drivable, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
        thickness = max(1, frame.shape[0] // 360)
        cv2.drawContours(blended, contours, -1, _EDGE_COLOR, thickness)
    return np.asarray(blended, np.uint8)
