# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reads image files of data sets; refuses truncated ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt

from bisenet_ros import label_image, media
from bisenet_training.datasets.sample import DatasetError

Pixels = npt.NDArray[np.uint8 | np.uint16]


@contextmanager
def _dataset_errors() -> Iterator[None]:
    """Raises a DatasetError instead of a MediaError."""
    try:
        yield
    except media.MediaError as error:
        raise DatasetError(str(error)) from error


def read_pixels(path: Path, flags: int) -> npt.NDArray[np.uint8]:
    """Returns the pixels of an image file.

    Args:
        path: The file.
        flags: Flags of `cv2.imread` for 8-bit images.

    Raises:
        DatasetError: The file does not exist, is not an image, or is truncated.
    """
    with _dataset_errors():
        pixels = media.decode_file(path, media.read_file(path), flags)
    return cast('npt.NDArray[np.uint8]', pixels)


def read_ids(path: Path) -> Pixels:
    """Calls `bisenet_ros.label_image.read_ids`.

    Raises:
        DatasetError: `read_ids` raises a MediaError.
    """
    with _dataset_errors():
        return label_image.read_ids(path)


def read_colors(path: Path) -> npt.NDArray[np.uint8]:
    """Calls `bisenet_ros.label_image.read_colors`.

    Raises:
        DatasetError: `read_colors` raises a MediaError.
    """
    with _dataset_errors():
        return label_image.read_colors(path)
