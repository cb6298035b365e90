# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pairs CameraInfos with frames, and scales them to masks of another size.

A CameraInfo describes the whole sensor; `binning` and `roi` define the image within it.
"""

from __future__ import annotations

import copy
import threading
from collections import OrderedDict
from typing import Any, NamedTuple

import numpy as np

from bisenet_ros.ground.region import Region
from bisenet_ros.stamps import nanoseconds


class Sizes(NamedTuple):
    """(width, height) of a camera's image, and of the masks made of it."""

    image: tuple[int, int]
    masks: tuple[int, int]


def scaled(info: Any, sizes: Sizes) -> Any:
    """Returns the CameraInfo of an image's masks.

    If the masks are as large as the image, that is the camera's own CameraInfo, unchanged.
    Otherwise it is a copy: `width` and `height` are those of the masks, and `k` and `p` project to
    their pixels. They include `binning` and `roi`, which are 0 in the copy. `d` and `r` do not
    depend on the size. A CameraInfo that does not fit the size of the image is returned unchanged.

    Binning and ROI shift and divide pixel coordinates as in image_geometry. The change of size
    scales them as the network's output is resized: the outer edges stay in place, and (0, 0), the
    centre of the first pixel, moves.

    Args:
        info: Has the fields of `sensor_msgs/CameraInfo`.
        sizes: Sizes of the image and of the masks.
    """
    region = Region.of(info)
    if sizes.masks == sizes.image or not region.fits(sizes.image):
        return info
    to_image, to_masks = np.eye(3), np.eye(3)
    for axis in (0, 1):
        binning = region.binning[axis]
        to_image[axis, axis], to_image[axis, 2] = 1 / binning, -region.offset[axis] / binning
        factor = sizes.masks[axis] / sizes.image[axis]
        to_masks[axis, axis], to_masks[axis, 2] = factor, (factor - 1) / 2
    change = to_masks @ to_image
    other = copy.copy(info)
    other.k = (change @ np.reshape(info.k, (3, 3))).reshape(-1)
    other.p = (change @ np.reshape(info.p, (3, 4))).reshape(-1)
    other.width, other.height = sizes.masks
    other.binning_x = other.binning_y = 0
    other.roi = copy.copy(info.roi)
    other.roi.x_offset = other.roi.y_offset = other.roi.width = other.roi.height = 0
    return other


class CameraInfoMatcher:
    """Pairs a frame with the CameraInfo of exactly its stamp, whichever of the two comes first.

    A CameraInfo usually arrives before its frame is segmented, and on a fast device sometimes
    after. Both are kept for the last `depth` stamps. The default covers the many seconds that a
    slow device may take for a frame while the camera continues. Frames of the same stamp get the
    same CameraInfo.
    """

    def __init__(self, depth: int = 1024) -> None:
        self._depth = depth
        self._lock = threading.Lock()
        self._infos: OrderedDict[int, Any] = OrderedDict()
        self._awaited: OrderedDict[int, Sizes] = OrderedDict()

    def arrived(self, info: Any) -> Any:
        """Stores a CameraInfo; if its frame was already published, returns it `scaled` instead."""
        with self._lock:
            stamp = nanoseconds(info.header.stamp)
            self._remember(self._infos, stamp, info)
            sizes = self._awaited.pop(stamp, None)
            return None if sizes is None else scaled(info, sizes)

    def match(self, message: Any, sizes: Sizes) -> Any:
        """Returns the CameraInfo of a frame that is about to be published, as the camera sent it.

        Returns None if it has not arrived; `arrived` then returns it later.

        Args:
            message: The frame's image message.
            sizes: Sizes of the image and of its masks.
        """
        with self._lock:
            stamp = nanoseconds(message.header.stamp)
            info = self._infos.get(stamp)
            if info is None:
                self._remember(self._awaited, stamp, sizes)
            return info

    def clear(self) -> None:
        """Removes all stored CameraInfos and awaited stamps."""
        with self._lock:
            self._infos.clear()
            self._awaited.clear()

    def _remember(self, entries: OrderedDict[int, Any], stamp: int, value: Any) -> None:
        entries[stamp] = value
        while len(entries) > self._depth:
            entries.popitem(last=False)
