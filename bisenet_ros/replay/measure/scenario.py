# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A scenario: bags, a model, and what the model has to do on them, written down in a YAML file."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from bisenet_ros.parameter_file import read_parameters
from bisenet_ros.replay.measure.criteria import Criterion, Number
from bisenet_ros.replay.measure.figures import CLASS_IOU
from bisenet_ros.yaml_document import Document, Location

_FOLDER_NAME = re.compile(r'[\w-][\w. -]*')


def _is_of_one_run(criterion: Criterion) -> Criterion:
    if criterion.definition.is_change:
        raise ValueError(f'{criterion.figure} is of two runs: hold bisenet compare to it')
    return criterion


Criteria = tuple[Annotated[Criterion, AfterValidator(_is_of_one_run)], ...]


class _Part(BaseModel):
    model_config = ConfigDict(extra='forbid', frozen=True)


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
    criteria: Criteria = ()

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
        params: A ROS parameter file, a path from the scenario's folder; None for the defaults.
        weights: Name of shipped weights, or a path from the scenario's folder; None for those of
            `params`.
        rate: As driven, so many times as fast as it was recorded; None for every frame.
        criteria: For each bag.
    """

    bags: Annotated[tuple[ScenarioBag, ...], Field(min_length=1)]
    params: Annotated[str, Field(min_length=1)] | None = None
    weights: Annotated[str, Field(min_length=1)] | None = None
    rate: Annotated[Number, Field(gt=0)] | None = None
    criteria: Criteria = ()

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
                if criterion.definition.needs_rate:
                    raise document.error(
                        (*location, 'figure'), f'{criterion.figure} needs a rate: 1.0 is as driven'
                    )
        return file

    def parameters(self) -> dict[str, Any]:
        """What it says of the node's parameters, by parameter.

        Raises:
            UserError: Its parameter file cannot be used.
        """
        values: dict[str, Any] = {}
        if self.scenario.params is not None:
            values = read_parameters(self.document.path.parent / self.scenario.params)
        if self.scenario.weights is not None:
            beside = self.document.path.parent / self.scenario.weights
            values['weights'] = str(beside) if beside.is_file() else self.scenario.weights
        return values

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
        parts: dict[str, type[BaseModel]] = {
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
