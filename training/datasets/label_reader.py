# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reads label files by a table of class ids; values that are not in the table are errors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from bisenet_ros.label_space import IGNORE
from bisenet_training.datasets.image_file import Pixels, read_colors, read_ids
from bisenet_training.datasets.sample import DatasetError

MAX_ID = 65535
"""Largest value in a label image (16 bit)."""

Labels = npt.NDArray[np.uint8]
Color = tuple[int, int, int]
"""Red, green, blue; 0 to 255 each."""


class LabelReader(Protocol):
    """Reads a label file of one kind."""

    def __call__(self, path: Path) -> Labels:
        """Reads a file.

        Returns:
            (H, W) uint8 class ids, `IGNORE` for unlabelled pixels.

        Raises:
            DatasetError: The file cannot be read, or has an unknown value.
        """


class IdTable:
    """Maps values of label images, 8 or 16 bit, to class ids."""

    def __init__(self, classes: Mapping[int, int], origin: str) -> None:
        """
        Args:
            classes: The class, or `IGNORE`, of every valid value, 0 to `MAX_ID`.
            origin: Source of the table, for messages: 'CamVid', or the path of a label map.
        """
        self._origin = origin
        self._classes = np.full(MAX_ID + 1, IGNORE, np.uint8)
        self._unknown = np.ones(MAX_ID + 1, np.uint8)
        for value, class_id in classes.items():
            self._classes[value] = class_id
            self._unknown[value] = 0

    def translate(self, values: Pixels, path: Path) -> Labels:
        """Returns the class ids for (H, W) values from a file.

        Raises:
            DatasetError: A value is not in the table.
        """
        unknown = self._look_up(self._unknown, values)
        if cv2.countNonZero(unknown):
            row, column = (int(place[0]) for place in np.nonzero(unknown))
            raise DatasetError(
                f'{path} has label {values[row, column]}, first at column {column}, row {row}, '
                f'which {self._origin} does not define'
            )
        return self._look_up(self._classes, values)

    @staticmethod
    def _look_up(table: Labels, values: Pixels) -> Labels:
        if values.dtype == np.uint8:
            return np.asarray(cv2.LUT(values, table[:256]), np.uint8)
        return np.asarray(np.take(table, values), np.uint8)


class IdImageReader:
    """Reads images in which every pixel is an id: 8- or 16-bit grey, or with a palette."""

    def __init__(self, classes: Mapping[int, int], origin: str) -> None:
        """Takes the arguments of `IdTable`."""
        self._table = IdTable(classes, origin)

    def __call__(self, path: Path) -> Labels:
        """Reads a file; see `LabelReader`."""
        return self._table.translate(read_ids(path), path)


class ColorImageReader:
    """Reads images in which every pixel has the colour of its class."""

    def __init__(self, classes: Mapping[Color, int], origin: str) -> None:
        """
        Args:
            classes: The class, or `IGNORE`, of every valid colour.
            origin: Source of the table, for messages.
        """
        self._origin = origin
        # A colour is a 24-bit number. The table of all takes 16 MiB and is built once per data set.
        self._classes = np.full(1 << 24, IGNORE, np.uint8)
        self._unknown = np.ones(1 << 24, np.uint8)
        for (red, green, blue), class_id in classes.items():
            packed = red << 16 | green << 8 | blue
            self._classes[packed] = class_id
            self._unknown[packed] = 0

    def __call__(self, path: Path) -> Labels:
        """Reads a file; see `LabelReader`."""
        pixels = read_colors(path)
        # With a fourth byte, a pixel can be read as a little-endian integer.
        packed = cv2.cvtColor(pixels, cv2.COLOR_BGR2BGRA).view('<u4')[..., 0] & 0xFFFFFF
        unknown = np.take(self._unknown, packed)
        if cv2.countNonZero(unknown):
            row, column = (int(place[0]) for place in np.nonzero(unknown))
            blue, green, red = pixels[row, column]
            raise DatasetError(
                f'{path} has the colour [{red}, {green}, {blue}], first at column {column}, '
                f'row {row}, which {self._origin} does not define'
            )
        return np.asarray(np.take(self._classes, packed), np.uint8)
