# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Resizes images, class ids and masks."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]


def resize(frame: Pixels, size: tuple[int, int]) -> Pixels:
    """Resizes an image without aliasing: (H, W, 3) uint8 -> (height, width, 3) uint8.

    Returns the frame itself if it has that size.

    Args:
        frame: Any three-channel image.
        size: (width, height) of the result; the aspect ratio is not kept.
    """
    height, width = frame.shape[:2]
    if (width, height) == size:
        return frame
    shrinks = size[0] * size[1] < width * height
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(frame, size, interpolation=interpolation), np.uint8)


def resize_ids(ids: Pixels, size: tuple[int, int]) -> Pixels:
    """Resizes ids or a mask without averaging: (H, W) uint8 -> (height, width) uint8.

    Each pixel gets the value of the input pixel that contains its centre. Returns `ids` itself if
    it has that size.

    Args:
        ids: Class ids, or a mask.
        size: (width, height) of the result.
    """
    if ids.shape[::-1] == size:
        return ids
    return np.asarray(cv2.resize(ids, size, interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)
