# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Image files to arrays: whole ones only."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from bisenet_training.datasets.sample import DatasetError

IMAGE_SUFFIXES = frozenset(('.bmp', '.jpeg', '.jpg', '.png', '.tif', '.tiff', '.webp'))
"""Of files that are taken for images, in lower case."""

_JPEG_TRAILER = 1 << 16
"""Bytes at the end of a file among which the end of a JPEG is looked for; some cameras append."""


def read_pixels(path: Path, flags: int) -> npt.NDArray[np.uint8 | np.uint16]:
    """The pixels of an image file.

    Args:
        path: The file.
        flags: How, as for `cv2.imread`.

    Raises:
        DatasetError: There is no such file, or it is not a whole image.
    """
    try:
        content = np.fromfile(path, np.uint8)
    except OSError as error:
        raise DatasetError(f'cannot read {path}: {error.strerror}') from error
    # OpenCV fills up a JPEG that breaks off with grey and only says so on standard error.
    is_jpeg = content[:2].tobytes() == b'\xff\xd8'
    if is_jpeg and b'\xff\xd9' not in content[-_JPEG_TRAILER:].tobytes():
        raise DatasetError(f'{path} is a JPEG that breaks off: fetch it again')
    pixels = cv2.imdecode(content, flags) if content.size else None
    if pixels is None:
        raise DatasetError(f'{path} is not an image, or is damaged')
    if pixels.dtype not in (np.uint8, np.uint16):
        raise DatasetError(f'{path} holds {pixels.dtype} values: take images with 8 or 16 bit')
    return cast('npt.NDArray[np.uint8 | np.uint16]', pixels)
