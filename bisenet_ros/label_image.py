# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reads label images: class ids or colours, as they are stored for each pixel."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from bisenet_ros.image_header import grey_bits, lossy_format
from bisenet_ros.media import MediaError, decode_file, read_file


def read_ids(path: Path) -> npt.NDArray[np.uint8 | np.uint16]:
    """Reads the (H, W) values of a one-channel image file; palette indices if it has a palette.

    Values of fewer than 8 bits are not stretched: a PNG of one bit has 0 and 1.

    Raises:
        MediaError: The file is missing or damaged, is compressed with loss, or is not an image
            with one channel of at most 16 bits.
    """
    content = _read_lossless(path)
    # OpenCV only returns the colours of a palette, and 255 for a bit that is set.
    values = _indices(path, content)
    if values is None:
        values = decode_file(path, content, cv2.IMREAD_UNCHANGED)
        if (bits := grey_bits(content)) in (2, 4):  # OpenCV stretches them to 0 to 255
            values = values // np.uint8(255 // (2**bits - 1))
    if values.ndim != 2 or values.dtype not in (np.uint8, np.uint16):
        channels = 1 if values.ndim == 2 else values.shape[2]
        raise MediaError(
            f'{path}: labels are one channel of 8 or 16 bit (class ids), not {channels} of '
            f'{8 * values.itemsize} bit; labels in colours need a data set whose label map has '
            'colors'
        )
    return values


def read_labels(path: Path) -> npt.NDArray[np.uint8]:
    """Reads class ids as (H, W) uint8; see `read_ids`.

    Raises:
        MediaError: See `read_ids`; or a value is over 255.
    """
    values = read_ids(path)
    if values.dtype != np.uint8 and values.max() > 255:
        raise MediaError(f'{path}: class ids are 0 to 255, but there is {values.max()}')
    return values.astype(np.uint8, copy=False)


def read_colors(path: Path) -> npt.NDArray[np.uint8]:
    """Reads labels in colours as (H, W, 3) BGR.

    Raises:
        MediaError: The file is missing or damaged, is compressed with loss, or is not an image.
    """
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    return np.asarray(decode_file(path, _read_lossless(path), flags), np.uint8)


def _read_lossless(path: Path) -> bytes:
    """Returns the content of a label image.

    Raises:
        MediaError: The file is missing, or is compressed with loss.
    """
    content = read_file(path)
    if codec := lossy_format(content):
        raise MediaError(
            f'{path} is a {codec} file, whose compression may change labels: save label images '
            'as PNG'
        )
    return content


def _indices(path: Path, content: bytes) -> npt.NDArray[np.uint8] | None:
    """Returns the (H, W) palette indices, or bits if there is one per pixel; None for others."""
    try:
        with Image.open(io.BytesIO(content)) as image:
            return np.asarray(image, np.uint8) if image.mode in ('P', '1') else None
    except UnidentifiedImageError:
        return None  # OpenCV may know the format
    except (Image.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        raise MediaError(f'{path}: not an image, or damaged') from error
