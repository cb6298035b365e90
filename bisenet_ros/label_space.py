# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The meaning of class ids: names, colours, and which classes are drivable."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bisenet_ros.errors import UserError

IGNORE = 255
"""The label of a pixel without a class: void in ground truth, not labelled in output."""


@dataclass(frozen=True)
class LabelSpace:
    """The classes of a data set or a network; the index of a class is its id.

    Attributes:
        names: One unique name per class.
        colors: One (red, green, blue) colour per class, 0 to 255.
        drivable: Names of the classes that the vehicle may drive on.

    Raises:
        UserError: The attributes are invalid or contradict each other.
    """

    names: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]
    drivable: tuple[str, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.names) <= IGNORE:
            raise UserError(f'a label space must have 1 to {IGNORE} classes, not {len(self.names)}')
        if len(set(self.names)) != len(self.names):
            raise UserError(f'class names must be unique: {", ".join(self.names)}')
        if len(self.colors) != len(self.names):
            raise UserError(
                f'{len(self.names)} classes need {len(self.names)} colours, not {len(self.colors)}'
            )
        if any(len(color) != 3 or not all(0 <= c <= 255 for c in color) for color in self.colors):
            raise UserError('a class colour must be three numbers from 0 to 255: red, green, blue')
        self.ids_of(self.drivable)

    def __len__(self) -> int:
        return len(self.names)

    def ids_of(self, names: Iterable[str]) -> tuple[int, ...]:
        """Returns the ids of classes by name.

        Raises:
            UserError: A name is not a class of this label space.
        """
        ids = {name: index for index, name in enumerate(self.names)}
        wanted = tuple(names)
        unknown = [name for name in wanted if name not in ids]
        if unknown:
            raise UserError(f'no class {unknown[0]!r}: the classes are {", ".join(self.names)}')
        return tuple(ids[name] for name in wanted)

    def truth_of(self, labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Returns (H, W) label ids of a data set with `IGNORE` for the id after the last class.

        CamVid, among others, writes "no class" as that id.
        """
        return np.where(labels == len(self), np.uint8(IGNORE), labels)

    def color_table(self) -> npt.NDArray[np.uint8]:
        """Returns (256, 3) uint8 RGB by label; black for `IGNORE` and for ids without a class."""
        table = np.zeros((256, 3), np.uint8)
        table[: len(self)] = self.colors
        return table

    def to_dict(self) -> dict[str, Any]:
        """Converts the label space to JSON types; the inverse of `from_dict`."""
        return {
            'names': list(self.names),
            'colors': [list(color) for color in self.colors],
            'drivable': list(self.drivable),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> LabelSpace:
        """Creates a label space; the inverse of `to_dict`.

        Raises:
            UserError: A value is missing, has the wrong type, or contradicts another one.
        """
        try:
            return cls(
                names=tuple(str(name) for name in data['names']),
                colors=tuple((int(r), int(g), int(b)) for r, g, b in data['colors']),
                drivable=tuple(str(name) for name in data['drivable']),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise UserError(
                f'a label space needs names, colors and drivable: {type(error).__name__}: {error}'
            ) from error


CAMVID = LabelSpace(
    names=(
        'sky',
        'building',
        'pole',
        'road',
        'pavement',
        'tree',
        'sign_symbol',
        'fence',
        'car',
        'pedestrian',
        'bicyclist',
    ),
    colors=(
        (128, 128, 128),
        (128, 0, 0),
        (192, 192, 128),
        (128, 64, 128),
        (60, 40, 222),
        (128, 128, 0),
        (192, 128, 128),
        (64, 64, 128),
        (64, 0, 128),
        (64, 64, 0),
        (0, 128, 192),
    ),
    drivable=('road',),
)
"""The 11 usual evaluation classes of CamVid (grouping of SegNet), with its colours."""

CITYSCAPES = LabelSpace(
    names=(
        'road',
        'sidewalk',
        'building',
        'wall',
        'fence',
        'pole',
        'traffic_light',
        'traffic_sign',
        'vegetation',
        'terrain',
        'sky',
        'person',
        'rider',
        'car',
        'truck',
        'bus',
        'train',
        'motorcycle',
        'bicycle',
    ),
    colors=(
        (128, 64, 128),
        (244, 35, 232),
        (70, 70, 70),
        (102, 102, 156),
        (190, 153, 153),
        (153, 153, 153),
        (250, 170, 30),
        (220, 220, 0),
        (107, 142, 35),
        (152, 251, 152),
        (70, 130, 180),
        (220, 20, 60),
        (255, 0, 0),
        (0, 0, 142),
        (0, 0, 70),
        (0, 60, 100),
        (0, 80, 100),
        (0, 0, 230),
        (119, 11, 32),
    ),
    drivable=('road',),
)
"""The 19 evaluated classes of Cityscapes, ordered by train id, with its colours."""
