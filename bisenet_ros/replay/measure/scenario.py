# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reads a scenario: a YAML file with bags, a model, and criteria for the model on these bags."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator

from bisenet_ros.parameter_file import read_parameters
from bisenet_ros.replay.measure.criteria import Criterion, Number
from bisenet_ros.replay.measure.figures import CLASS_IOU
from bisenet_ros.strict_model import StrictModel, location_of, reworded
from bisenet_ros.yaml_document import Document, Location

_FOLDER_NAME = re.compile(r'[\w-][\w. -]*')


def _is_of_one_run(criterion: Criterion) -> Criterion:
    if criterion.definition.is_change:
        raise ValueError(f'{criterion.figure} compares two runs: use bisenet compare --fail-under')
    return criterion


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


FileName = Annotated[str, Field(min_length=1)]
Criteria = tuple[Annotated[Criterion, AfterValidator(_is_of_one_run)], ...]


class ScenarioBag(StrictModel):
    """A bag to be replayed.

    Attributes:
        path: Relative to the folder of the scenario.
        name: Name of its results; None for the name of the bag.
        image_topic: Evaluate this camera only; None for all cameras.
        labels_topic: Topic of its ground truth; None for `ground_truth/labels` if it exists.
        criteria: Criteria for this bag only.
    """

    path: FileName
    name: str | None = None
    image_topic: str | None = None
    labels_topic: str | None = None
    criteria: Criteria = ()

    @model_validator(mode='after')
    def _has_a_folder(self) -> ScenarioBag:
        if not _FOLDER_NAME.fullmatch(self.title):
            raise ValueError(
                f'{self.title!r} cannot be a folder name: give a name of letters, digits, spaces, '
                'dots, - and _'
            )
        return self

    @property
    def title(self) -> str:
        """The name of the bag and of its results folder."""
        return Path(self.path).stem if self.name is None else self.name


class Scenario(StrictModel):
    """The content of a scenario. Paths are relative to the folder of the scenario.

    Attributes:
        bags: Replayed in this order.
        params: A ROS parameter file, or several; none for the defaults.
        weights: Name of shipped weights, or a path; None for those of `params`.
        rate: Simulated arrival at this multiple of the recorded speed; None for every frame.
        criteria: Criteria for every bag.
    """

    bags: Annotated[tuple[ScenarioBag, ...], Field(min_length=1)]
    params: Annotated[tuple[FileName, ...], BeforeValidator(_as_list)] = ()
    weights: FileName | None = None
    rate: Annotated[Number, Field(gt=0)] | None = None
    criteria: Criteria = ()

    @model_validator(mode='after')
    def _is_consistent(self) -> Scenario:
        titles = [bag.title for bag in self.bags]
        twins = sorted({title for title in titles if titles.count(title) > 1})
        if twins:
            raise ValueError(f'two bags are called {twins[0]}: give one of them another name')
        for bag in self.bags:
            if not (*self.criteria, *bag.criteria):
                raise ValueError(f'no criteria for the bag {bag.title}')
        return self


@dataclass(frozen=True)
class ScenarioFile:
    """A scenario and its file.

    Attributes:
        scenario: The content.
        document: The file, for errors that name the line.
    """

    scenario: Scenario
    document: Document

    @classmethod
    def load(cls, path: Path) -> ScenarioFile:
        """Reads a scenario.

        Raises:
            DocumentError: The file is not a valid scenario; the message names the line.
        """
        document = Document.load(path)
        try:
            scenario = Scenario.model_validate(document.value)
        except ValidationError as error:
            first, more = error.errors()[0], error.error_count() - 1
            said = reworded(first) + (f' (and {more} more)' if more else '')
            raise document.error(location_of(first), said) from error
        file = cls(scenario, document)
        if scenario.rate is None:
            for location, criterion in file._criteria():
                if criterion.definition.needs_rate:
                    raise document.error(
                        (*location, 'figure'),
                        f'{criterion.figure} needs a rate; 1.0 is the recorded speed',
                    )
        return file

    @property
    def params(self) -> list[Path]:
        """Paths of the parameter files, relative to the working directory."""
        return [self.document.path.parent / file for file in self.scenario.params]

    def parameters(self) -> dict[str, Any]:
        """Returns the node parameters that the scenario sets, by name.

        Raises:
            UserError: A parameter file is invalid.
        """
        values = read_parameters(self.params)
        if self.scenario.weights is not None:
            beside = self.document.path.parent / self.scenario.weights
            values['weights'] = str(beside) if os.path.isfile(beside) else self.scenario.weights
        return values

    def path_of(self, bag: ScenarioBag) -> Path:
        """Returns the path of a bag, relative to the working directory."""
        return self.document.path.parent / bag.path

    def check_classes(self, classes: Sequence[str]) -> None:
        """Refuses criteria on classes that the model does not know.

        Raises:
            DocumentError: A class is unknown; the message names the line and the classes.
        """
        for location, criterion in self._criteria():
            name = criterion.figure.removeprefix(CLASS_IOU)
            if criterion.figure.startswith(CLASS_IOU) and name not in classes:
                raise self.document.error(
                    (*location, 'figure'),
                    f'unknown class {name!r}; choose from {", ".join(classes)}',
                )

    def check_cameras(self, bag: int, image_topics: Collection[str]) -> None:
        """Refuses criteria on cameras that a bag does not have.

        Args:
            bag: Index of the bag in the scenario.
            image_topics: Image topics of its cameras.

        Raises:
            DocumentError: A camera is missing; the message names the line and the cameras.
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
                    f'choose from {", ".join(image_topics)}',
                )

    def _criteria(self) -> Iterator[tuple[Location, Criterion]]:
        for index, criterion in enumerate(self.scenario.criteria):
            yield ('criteria', index), criterion
        for place, bag in enumerate(self.scenario.bags):
            for index, criterion in enumerate(bag.criteria):
                yield ('bags', place, 'criteria', index), criterion
