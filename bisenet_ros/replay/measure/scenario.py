# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A scenario: bags, a model, and what the model has to do on them, written down in a YAML file."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bisenet_ros.yaml_document import Document, Location

ACCURACY = ('miou', 'drivable_iou', 'pixel_accuracy')
"""Of frames together, from the sum of their confusion; and of each frame."""

CLASS_IOU = 'iou.'
"""The same for one class, whose name follows."""

PER_FRAME = (
    'drivable_fraction',
    'confidence',
    'flicker',
    'boundary_f',
    'false_drivable_rate',
    'free_space_error_px',
    'decode_ms',
    'inference_ms',
    'total_ms',
)
"""Of each frame."""

AS_DRIVEN = ('age_ms', 'dropped')
"""Of each frame that was taken, where frames arrive in time."""

OF_RUN = (
    'ece',
    'false_drivable_near_rate',
    'free_space_error_p95_px',
    'free_space_overreach_px',
    'fps',
)
"""Only of a whole bag."""

_COUNTS = ('dropped', 'fps')

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
_FOLDER_NAME = re.compile(r'[\w-][\w. -]*')
Statistic = Literal['min', 'p01', 'p05', 'p50', 'mean', 'p95', 'p99', 'max']


class _Part(BaseModel):
    model_config = ConfigDict(extra='forbid', frozen=True)


class Criterion(_Part):
    """What a figure has to be.

    Attributes:
        figure: Its name.
        at_least: The least that it may be.
        at_most: The most that it may be.
        statistic: Over the frames; None for accuracy of the frames together, the sum of dropped
            frames, and the mean of everything else.
        between: Seconds since the first frame, both included; None for the whole bag.
        camera: The image topic of the only camera that counts; None for all.
        name: What it is called; None for what it says.
    """

    figure: str
    at_least: Number | None = None
    at_most: Number | None = None
    statistic: Statistic | None = None
    between: tuple[Number, Number] | None = None
    camera: str | None = None
    name: Annotated[str, Field(min_length=1)] | None = None

    @model_validator(mode='after')
    def _is_consistent(self) -> Criterion:
        known = (*ACCURACY, *PER_FRAME, *AS_DRIVEN, *OF_RUN)
        if self.figure not in known and not self.figure.startswith(CLASS_IOU):
            names = ', '.join((*known, f'{CLASS_IOU}CLASS'))
            raise ValueError(f'no figure {self.figure!r}; there are {names}')
        least, most = self.at_least, self.at_most
        if least is None and most is None:
            raise ValueError('say what the figure has to be: at_least, at_most or both')
        if least is not None and most is not None and least > most:
            raise ValueError('at_least is greater than at_most: nothing can be both')
        limits = [limit for limit in (least, most) if limit is not None]
        if self._is_share and not all(0 <= limit <= 1 for limit in limits):
            raise ValueError(f'{self.figure} is a share: write a number from 0 to 1')
        if self.between is not None and self.between[0] > self.between[1]:
            raise ValueError('between ends before it begins: write [from, to] in seconds')
        parts = [name for name in ('statistic', 'between', 'camera') if getattr(self, name)]
        if self.figure in OF_RUN and parts:
            raise ValueError(f'{self.figure} is of a whole bag, it has no {" or ".join(parts)}')
        return self

    @property
    def _is_share(self) -> bool:
        return self.figure not in _COUNTS and not self.figure.endswith(('_ms', '_px'))

    @property
    def title(self) -> str:
        """What it is called, or else what it says."""
        if self.name is not None:
            return self.name
        words = [self.figure]
        if self.statistic is not None:
            words.append(self.statistic)
        if self.between is not None:
            words.append('from {:g} to {:g} s'.format(*self.between))
        if self.camera is not None:
            words.append(f'of {self.camera}')
        return ' '.join(words)

    @property
    def limits(self) -> str:
        """What the figure has to be, in words."""
        least = f'at least {self.at_least:g}' if self.at_least is not None else ''
        most = f'at most {self.at_most:g}' if self.at_most is not None else ''
        return ', '.join(filter(None, (least, most)))


class ScenarioBag(_Part):
    """A bag to be replayed.

    Attributes:
        path: From the scenario's folder.
        name: Of its results; None for that of the file or folder.
        image_topic: The only camera to take; None for all.
        labels_topic: The truth of the only camera; None for `ground_truth/labels` if it is there.
        criteria: For this bag alone.
    """

    path: Annotated[str, Field(min_length=1)]
    name: str | None = None
    image_topic: str | None = None
    labels_topic: str | None = None
    criteria: tuple[Criterion, ...] = ()

    @model_validator(mode='after')
    def _has_a_folder(self) -> ScenarioBag:
        if not _FOLDER_NAME.fullmatch(self.title):
            raise ValueError(
                f'{self.title!r} cannot name a folder of results: give a name of letters, digits, '
                'blanks, dots, - and _'
            )
        return self

    @property
    def title(self) -> str:
        """What it and the folder of its results are called."""
        return Path(self.path).stem if self.name is None else self.name


class Scenario(_Part):
    """What is replayed, and what has to come out.

    Attributes:
        bags: One after the other.
        weights: Name of shipped weights, or a path from the scenario's folder.
        rate: As driven, so many times as fast as it was recorded; None for every frame.
        criteria: For each bag.
    """

    bags: Annotated[tuple[ScenarioBag, ...], Field(min_length=1)]
    weights: str = 'camvid'
    rate: Annotated[Number, Field(gt=0)] | None = None
    criteria: tuple[Criterion, ...] = ()

    @model_validator(mode='after')
    def _is_consistent(self) -> Scenario:
        titles = [bag.title for bag in self.bags]
        twins = sorted({title for title in titles if titles.count(title) > 1})
        if twins:
            raise ValueError(f'two bags are called {twins[0]}: give them a name')
        for bag in self.bags:
            if not (*self.criteria, *bag.criteria):
                raise ValueError(f'no criteria for the bag {bag.title}')
        return self


@dataclass(frozen=True)
class ScenarioFile:
    """A scenario and where it was written.

    Attributes:
        scenario: What it says.
        document: The file.
    """

    scenario: Scenario
    document: Document

    @classmethod
    def load(cls, path: Path) -> ScenarioFile:
        """Read a scenario.

        Raises:
            DocumentError: It is not one; the message names the line.
        """
        document = Document.load(path)
        try:
            scenario = Scenario.model_validate(document.value)
        except ValidationError as error:
            first = error.errors()[0]
            raise document.error(first['loc'], _said(first, error.error_count())) from error
        file = cls(scenario, document)
        if scenario.rate is None:
            for location, criterion in file._criteria():
                if criterion.figure in AS_DRIVEN:
                    raise document.error(
                        (*location, 'figure'), f'{criterion.figure} needs a rate: 1.0 is as driven'
                    )
        return file

    @property
    def weights(self) -> str:
        """As `Checkpoint.load` takes them."""
        beside = self.document.path.parent / self.scenario.weights
        return str(beside) if beside.is_file() else self.scenario.weights

    def path_of(self, bag: ScenarioBag) -> Path:
        """The bag's path."""
        return self.document.path.parent / bag.path

    def check_classes(self, classes: Sequence[str]) -> None:
        """Refuse criteria on classes that the model does not know.

        Raises:
            DocumentError: It names the line and the classes that there are.
        """
        for location, criterion in self._criteria():
            name = criterion.figure.removeprefix(CLASS_IOU)
            if criterion.figure.startswith(CLASS_IOU) and name not in classes:
                raise self.document.error(
                    (*location, 'figure'), f'no class {name!r}; there are {", ".join(classes)}'
                )

    def check_cameras(self, bag: int, image_topics: Collection[str]) -> None:
        """Refuse criteria on cameras that a bag does not have.

        Args:
            bag: Which of the scenario's bags.
            image_topics: Of the cameras that are taken of it.

        Raises:
            DocumentError: It names the line and the cameras that there are.
        """
        for location, criterion in self._criteria():
            foreign = location[0] == 'bags' and location[1] != bag
            if (
                not foreign
                and criterion.camera is not None
                and criterion.camera not in image_topics
            ):
                raise self.document.error(
                    (*location, 'camera'),
                    f'no camera {criterion.camera} in {self.scenario.bags[bag].title}; '
                    f'there are {", ".join(image_topics)}',
                )

    def _criteria(self) -> Iterator[tuple[Location, Criterion]]:
        for index, criterion in enumerate(self.scenario.criteria):
            yield ('criteria', index), criterion
        for place, bag in enumerate(self.scenario.bags):
            for index, criterion in enumerate(bag.criteria):
                yield ('bags', place, 'criteria', index), criterion


def _said(error: Any, count: int) -> str:
    """What pydantic found first, for a user."""
    names = [step for step in error['loc'] if isinstance(step, str)]
    if error['type'] == 'extra_forbidden':
        holder = names[-2] if len(names) > 1 else ''
        parts: dict[str, type[_Part]] = {
            '': Scenario, 'bags': ScenarioBag, 'criteria': Criterion,
        }  # fmt: skip
        part = parts[holder]
        said = f'unknown key; there are {", ".join(part.model_fields)}'
    elif error['type'] == 'missing':
        said = 'is missing'
    elif error['type'] == 'value_error':
        said = str(error['ctx']['error'])
    elif error['type'] == 'model_type':
        said = 'should be keys with values'
    else:
        said = error['msg'][0].lower() + error['msg'][1:]
    return said if count == 1 else f'{said} (and {count - 1} more)'
