# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Image files to arrays: whole ones only."""

from __future__ import annotations

import io
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from bisenet_training.datasets.sample import DatasetError

Pixels = npt.NDArray[np.uint8 | np.uint16]

IMAGE_SUFFIXES = frozenset(('.bmp', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp'))
"""Of files that are taken for images, in lower case."""

_JPEG_TRAILER = 1 << 16
"""Bytes at the end of a file among which the end of a JPEG is looked for; some cameras append."""


def read_pixels(path: Path, flags: int) -> Pixels:
    """The pixels of an image file.

    Args:
        path: The file.
        flags: How, as for `cv2.imread`.

    Raises:
        DatasetError: There is no such file, or it is not a whole image of 8 or 16 bit.
    """
    return _checked(path, _decode(_read(path), flags))


def read_ids(path: Path) -> Pixels:
    """(H, W) values of an image file of one channel; the indices where it has a palette.

    Raises:
        DatasetError: As `read_pixels`, or the image has several channels.
    """
    content = _read(path)
    # OpenCV only shows the palette's colours.
    indices = _indices(path, content)
    if indices is not None:
        return indices
    values = _checked(path, _decode(content, cv2.IMREAD_UNCHANGED))
    if values.ndim != 2:
        raise DatasetError(
            f'{path} is a colour image, but labels are given by id: take the one-channel label '
            'images, or a label map with colors'
        )
    return values


def _read(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DatasetError(f'cannot read {path}: {error.strerror}') from error
    # OpenCV fills up a JPEG that breaks off with grey and only says so on standard error.
    if content.startswith(b'\xff\xd8') and b'\xff\xd9' not in content[-_JPEG_TRAILER:]:
        raise DatasetError(f'{path} is a JPEG that breaks off: fetch it again')
    return content


def _indices(path: Path, content: bytes) -> npt.NDArray[np.uint8] | None:
    """(H, W) indices into the palette; None where there is none."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            return np.asarray(image, np.uint8) if image.mode == 'P' else None
    except UnidentifiedImageError:
        return None  # OpenCV is asked next
    except (OSError, SyntaxError) as error:  # of a PNG whose chunks are wrong
        raise DatasetError(f'{path} is not an image, or is damaged') from error


def _decode(content: bytes, flags: int) -> npt.NDArray[np.generic] | None:
    return cv2.imdecode(np.frombuffer(content, np.uint8), flags) if content else None


def _checked(path: Path, pixels: npt.NDArray[np.generic] | None) -> Pixels:
    if pixels is None:
        raise DatasetError(f'{path} is not an image, or is damaged')
    if pixels.dtype not in (np.uint8, np.uint16):
        raise DatasetError(f'{path} holds {pixels.dtype} values: take images with 8 or 16 bit')
    return cast('Pixels', pixels)
