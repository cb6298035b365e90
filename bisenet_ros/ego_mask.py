# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reads masks of the vehicle itself in its cameras' images: bonnet, mirror, bull bar.

The network's labels there do not describe the surroundings: a reflection may be labelled as road.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import numpy.typing as npt

from bisenet_ros.errors import UserError
from bisenet_ros.image_codec import ImageError, decode_compressed
from bisenet_ros.image_header import PNG_START
from bisenet_ros.resizing import resize_ids

MAX_BYTES = 64 << 20
"""Maximum size of a file: more than a PNG of the largest camera needs."""

Size = tuple[int, int]
"""(width, height)."""


class EgoMask:
    """The mask of one camera.

    Attributes:
        path: Where it was read from.
        size: (width, height) of the file.

    Args:
        path: A PNG; pixels at least half as bright as white are the vehicle. Alpha is ignored.

    Raises:
        UserError: The file is missing, not a PNG, damaged, too large or too small, or it marks no
            pixel or every pixel as the vehicle.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            # Reading a device or a pipe might never end.
            if not path.is_file():
                raise UserError(f'ego_mask {path}: no such file')
            if path.stat().st_size > MAX_BYTES:
                raise UserError(f'ego_mask {path}: over {MAX_BYTES >> 20} MiB, which no mask needs')
            data = path.read_bytes()
        except OSError as error:
            raise UserError(f'ego_mask {path}: {error.strerror}') from error
        if not data.startswith(PNG_START):
            raise UserError(f'ego_mask {path}: not a PNG')
        try:
            pixels = decode_compressed(SimpleNamespace(format='mono16; png', data=data))
        except ImageError as error:
            raise UserError(f'ego_mask {path}: {error}') from error
        self._mask = np.uint8(255) * (cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY) >= 128)
        self.size = pixels.shape[1], pixels.shape[0]
        if self._mask.all() or not self._mask.any():
            brightness = 'white everywhere' if self._mask.all() else 'white nowhere'
            raise UserError(
                f'ego_mask {path}: {brightness}; the vehicle itself is white (255), all else black'
            )
        self._resized: dict[Size, npt.NDArray[np.bool_]] = {}

    def check(self, image: Size) -> None:
        """Refuses images with another aspect ratio than the mask.

        Raises:
            ImageError: The aspect ratios differ by more than a pixel.
        """
        (width, height), (mask_width, mask_height) = image, self.size
        if abs(width * mask_height - height * mask_width) > max(width, mask_width):
            raise ImageError(
                f'ego_mask {self.path} is {mask_width}x{mask_height}, but the image is'
                f' {width}x{height}: draw it on an image of this camera'
            )

    def at(self, size: Size) -> npt.NDArray[np.bool_]:
        """Returns the mask resized to (width, height): (H, W) bool, True where the vehicle is."""
        resized = self._resized  # another thread may replace it
        if size not in resized:  # one entry, because the size of a camera seldom changes
            resized = self._resized = {size: resize_ids(self._mask, size) > 0}
        return resized[size]


def load_ego_masks(paths: Mapping[str, str]) -> dict[str, EgoMask]:
    """Loads the masks of the cameras that have one.

    Args:
        paths: `ego_mask` by camera; empty for a camera without one.

    Raises:
        UserError: See `EgoMask`.
    """
    return {
        camera: EgoMask(Path(os.path.expanduser(path))) for camera, path in paths.items() if path
    }
