# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Computes which part of the sensor an image shows, from `roi` and `binning` of its CameraInfo."""

from __future__ import annotations

from typing import Any, NamedTuple


class Region(NamedTuple):
    """A rectangle of the sensor that is read out and then binned, as in image_geometry.

    Attributes:
        offset: Column and row of the rectangle's first pixel on the sensor.
        size: (width, height) on the sensor.
        binning: Pixels of the sensor per pixel of the image, along x and y.
    """

    offset: tuple[int, int]
    size: tuple[int, int]
    binning: tuple[int, int]

    @classmethod
    def of(cls, info: Any) -> Region:
        """Reads a CameraInfo. A `roi` of size 0 is the whole sensor, a binning of 0 means 1."""
        binning = max(1, info.binning_x), max(1, info.binning_y)
        roi = info.roi
        if roi.width and roi.height:
            return cls((roi.x_offset, roi.y_offset), (roi.width, roi.height), binning)
        return cls((0, 0), (info.width, info.height), binning)

    def fits(self, image: tuple[int, int]) -> bool:
        """Whether an image of (width, height) can show it, with or without a partial last bin."""
        return all(
            side in (whole // by, -(-whole // by))
            for side, whole, by in zip(image, self.size, self.binning, strict=True)
        )
