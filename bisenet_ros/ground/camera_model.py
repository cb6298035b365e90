# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Projects directions to pixels with the calibration of a CameraInfo.

Images are used as the camera sends them. So K and D apply; R and P, which are for rectified images,
do not. Pixel (0, 0) is the centre of the top left pixel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bisenet_ros.errors import UserError
from bisenet_ros.ground.lens import BrownLens, FisheyeLens, Lens
from bisenet_ros.ground.region import Region

Array = npt.NDArray[np.float64]

_BROWN = ('plumb_bob', 'rational_polynomial', 'radtan', 'thin_prism', 'pinhole', 'none', '')
_FISHEYE = ('equidistant', 'fisheye', 'kannala_brandt', 'kannala_brandt4')
_BROWN_COUNTS = (0, 4, 5, 8, 12, 14)
_COEFFICIENTS = 14


class CameraInfoError(UserError):
    """A CameraInfo that cannot be used for the image."""


@dataclass(frozen=True)
class CameraModel:
    """The model of a camera for images of one size.

    Attributes:
        size: (width, height) of the image in pixels.
        focal: Focal lengths along x and y, pixels.
        center: The principal point, pixels.
        lens: The lens model, which is applied before these.
    """

    size: tuple[int, int]
    focal: tuple[float, float]
    center: tuple[float, float]
    lens: Lens

    @classmethod
    def from_info(cls, info: Any, size: tuple[int, int]) -> CameraModel:
        """Builds the camera model for an image.

        Binning and region of interest are applied as in image_geometry: K is for the full image,
        from which the region is cut out and then binned.

        Args:
            info: Has the fields of sensor_msgs/CameraInfo.
            size: (width, height) of the image.

        Raises:
            CameraInfoError: The CameraInfo is not calibrated, invalid, or for another size.
        """
        fx, fy, cx, cy = _intrinsics([float(value) for value in info.k])
        region = _region(info, size)
        offset, binning = region.offset, region.binning
        return cls(
            size,
            (fx / binning[0], fy / binning[1]),
            ((cx - offset[0]) / binning[0], (cy - offset[1]) / binning[1]),
            _lens(info.distortion_model, tuple(float(value) for value in info.d)),
        )

    def resized(self, size: tuple[int, int]) -> CameraModel:
        """Returns the model of the image resized to (width, height), with the same outer edges."""
        if size == self.size:
            return self
        x, y = (new / old for new, old in zip(size, self.size, strict=True))
        (fx, fy), (cx, cy) = self.focal, self.center
        center = (cx + 0.5) * x - 0.5, (cy + 0.5) * y - 0.5
        return CameraModel(size, (fx * x, fy * y), center, self.lens)

    def project(self, x: Array, y: Array, z: Array) -> tuple[Array, Array]:
        """Projects directions to columns and rows of pixels.

        Args:
            x: To the right, any shape. The vectors may have any length.
            y: Down.
            z: Forward.

        Returns:
            Fractional pixels, also outside the image; NaN where the lens does not see a direction.
        """
        u, v = self.lens.project(x, y, z)
        return u * self.focal[0] + self.center[0], v * self.focal[1] + self.center[1]

    def directions(self, columns: Array, rows: Array) -> tuple[Array, Array, Array]:
        """Returns the directions x, y, z of pixels, the inverse of `project`; NaN for none."""
        return self.lens.directions(
            (columns - self.center[0]) / self.focal[0], (rows - self.center[1]) / self.focal[1]
        )


def _intrinsics(k: list[float]) -> tuple[float, float, float, float]:
    """Returns fx, fy, cx and cy of the 9 numbers of K."""
    fx, fy, cx, cy = k[0], k[4], k[2], k[5]
    if not any(k):
        raise CameraInfoError(
            'CameraInfo has zeros in K: the camera is not calibrated, or its driver does not '
            'find the calibration'
        )
    if not all(map(math.isfinite, k)):
        raise CameraInfoError(f'CameraInfo has numbers in K that are not finite: {k}')
    if fx <= 0 or fy <= 0:
        raise CameraInfoError(f'CameraInfo has invalid focal lengths: fx {fx:g} and fy {fy:g} in K')
    return fx, fy, cx, cy


def _region(info: Any, size: tuple[int, int]) -> Region:
    """Returns the region of the sensor that an image of (width, height) shows."""
    region = Region.of(info)
    (x, y), (width, height) = region.offset, region.size
    if x + width > info.width or y + height > info.height:
        raise CameraInfoError(
            f'CameraInfo has a roi of {width}x{height} at ({x}, {y}), which is not within its '
            f'{info.width}x{info.height}: width and height are those of the whole sensor'
        )
    if not region.fits(size):
        part = ', {}x{} binned by {}x{}'.format(*region.size, *region.binning)
        is_whole = region.binning == (1, 1) and region.size == (info.width, info.height)
        raise CameraInfoError(
            f'CameraInfo is for {info.width}x{info.height}{"" if is_whole else part}, but the '
            f'image has {size[0]}x{size[1]}: a driver that scales has to say so in binning and roi'
        )
    return region


def _lens(model: str, coefficients: tuple[float, ...]) -> Lens:
    if not all(map(math.isfinite, coefficients)):
        raise CameraInfoError(
            f'CameraInfo has invalid distortion coefficients D: {list(coefficients)}'
        )
    name = model.strip().lower()
    if name in _FISHEYE:
        if any(coefficients[4:]):
            raise CameraInfoError(f'CameraInfo has {len(coefficients)} numbers in D: {model} has 4')
        return FisheyeLens((*coefficients[:4], *(4 - len(coefficients[:4])) * (0.0,)))
    if name not in _BROWN:
        raise CameraInfoError(
            f'CameraInfo has the distortion_model {model!r}, which is not supported: use '
            'plumb_bob, rational_polynomial or equidistant'
        )
    if len(coefficients) not in _BROWN_COUNTS:
        counts = ', '.join(map(str, _BROWN_COUNTS))
        raise CameraInfoError(
            f'CameraInfo has {len(coefficients)} numbers in D: {model} has one of {counts}'
        )
    return BrownLens((*coefficients, *(_COEFFICIENTS - len(coefficients)) * (0.0,)))
