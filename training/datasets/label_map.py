# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Label maps: YAML files that map values of label images to classes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator

from bisenet_ros.label_space import IGNORE, LabelSpace
from bisenet_ros.strict_model import StrictModel, location_of, reworded
from bisenet_ros.yaml_document import Document
from bisenet_training.datasets.label_reader import (
    MAX_ID,
    Color,
    ColorImageReader,
    IdImageReader,
    LabelReader,
)

_Id = Annotated[int, Field(strict=True, ge=0, le=MAX_ID)]
_Channel = Annotated[int, Field(strict=True, ge=0, le=255)]
_Color = tuple[_Channel, _Channel, _Channel]


class ClassEntry(StrictModel):
    """A class.

    Attributes:
        name: Its name, unique.
        color: Its (red, green, blue) colour in overlays.
        drivable: Whether the vehicle may drive on it.
        ids: Its values in label images, for labels by id.
        colors: Its colours in label images, for labels by colour; default: `color`.
    """

    name: Annotated[str, Field(min_length=1)]
    color: _Color
    drivable: bool = False
    ids: tuple[_Id, ...] = ()
    colors: tuple[_Color, ...] = ()


class Ignored(StrictModel):
    """Values without a class: such pixels are ignored in training and evaluation.

    Attributes:
        ids: Values in label images, for labels by id.
        colors: Colours in label images, for labels by colour.
    """

    ids: tuple[_Id, ...] = ()
    colors: tuple[_Color, ...] = ()


class LabelMap(StrictModel):
    """The classes of label images, by id or by colour.

    Attributes:
        classes: Ordered by class id of the network, from 0.
        ignored: Values that belong to no class.
    """

    classes: Annotated[tuple[ClassEntry, ...], Field(min_length=2, max_length=IGNORE)]
    ignored: Ignored = Ignored()

    @classmethod
    def load(cls, path: Path) -> LabelMap:
        """Reads a file.

        Raises:
            DocumentError: The file is not a valid label map; the message names the line.
        """
        document = Document.load(path)
        try:
            return cls.model_validate(document.value)
        except ValidationError as error:
            first = error.errors()[0]
            raise document.error(location_of(first), reworded(first)) from error

    @property
    def by_id(self) -> bool:
        """Whether label images contain ids rather than colours."""
        return any(entry.ids for entry in self.classes)

    @property
    def label_space(self) -> LabelSpace:
        """The classes, without the values of label images."""
        return LabelSpace(
            names=tuple(entry.name for entry in self.classes),
            colors=tuple(entry.color for entry in self.classes),
            drivable=tuple(entry.name for entry in self.classes if entry.drivable),
        )

    def reader(self, origin: str) -> LabelReader:
        """Returns a reader for label images with these values.

        Args:
            origin: Source of this map, for messages.
        """
        if self.by_id:
            return IdImageReader(dict(self._ids()), origin)
        return ColorImageReader(dict(self._colors()), origin)

    def _ids(self) -> Iterator[tuple[int, int]]:
        """Yields all pairs of (id in label images, class)."""
        for index, entry in enumerate(self.classes):
            yield from ((value, index) for value in entry.ids)
        yield from ((value, IGNORE) for value in self.ignored.ids)

    def _colors(self) -> Iterator[tuple[Color, int]]:
        """Yields all pairs of (colour in label images, class)."""
        for index, entry in enumerate(self.classes):
            yield from ((color, index) for color in entry.colors or (entry.color,))
        yield from ((color, IGNORE) for color in self.ignored.colors)

    @model_validator(mode='after')
    def _is_consistent(self) -> LabelMap:
        _refuse_twins('two classes are called {}', [entry.name for entry in self.classes])
        _refuse_twins('two classes are drawn in {}', [entry.color for entry in self.classes])
        if not self.by_id:
            if self.ignored.ids:
                raise ValueError('the classes have colours, so ignored needs colors, not ids')
            _refuse_twins('the colour {} is given twice', [color for color, _ in self._colors()])
            return self
        for entry in self.classes:
            if not entry.ids:
                raise ValueError(f'other classes have ids, but {entry.name} has none')
        if self.ignored.colors or any(entry.colors for entry in self.classes):
            raise ValueError('give ids or colors, not both')
        _refuse_twins('the id {} is given twice', [value for value, _ in self._ids()])
        return self


def _refuse_twins(complaint: str, values: list[Any]) -> None:
    seen = set()
    for value in values:
        if value in seen:
            shown = list(value) if isinstance(value, tuple) else value
            raise ValueError(complaint.format(shown))
        seen.add(value)
