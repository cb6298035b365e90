# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The data sets of a run, and their check before the first step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import torch
from pydantic import Field, TypeAdapter, ValidationError

from bisenet_ros.console import progress_bar, warn
from bisenet_ros.errors import UserError
from bisenet_ros.label_space import LabelSpace
from bisenet_ros.output_files import write_json
from bisenet_training.config import TrainingConfig
from bisenet_training.datasets import Dataset, DatasetSettings, check_dataset
from bisenet_training.distributed import sum_without_gradient
from bisenet_training.extra import Fabric

_Pixels = dict[str, Annotated[int, Field(strict=True, ge=0, lt=1 << 53)]]
_COUNTS = TypeAdapter(dict[str, _Pixels])
"""Pixels by data set and class; their shares are computed in float64, which is exact up to 2^53."""


@dataclass(frozen=True)
class TrainingData:
    """Data sets with the same classes.

    Attributes:
        train: Training data.
        shares: Share of samples from each data set; they add up to 1.
        validation: Validation data; None for no evaluation.
    """

    train: tuple[Dataset, ...]
    shares: tuple[float, ...]
    validation: Dataset | None

    @classmethod
    def open(cls, config: TrainingConfig) -> TrainingData:
        """Finds the files.

        Raises:
            UserError: A data set has no ground truth, files are missing, or the data sets differ in
                classes, their order, or which of them are drivable.
        """
        train = tuple(_open(config, source.dataset) for source in config.train)
        held_out = None if config.validation is None else _open(config, config.validation)
        total = sum(source.share for source in config.train)
        data = cls(train, tuple(source.share / total for source in config.train), held_out)
        for dataset in data.all:
            if dataset.label_space.names != data.label_space.names:
                raise UserError(
                    f'{dataset.description} has other classes than {train[0].description}, or '
                    f'another order: {", ".join(dataset.label_space.names)} instead of '
                    f'{", ".join(data.label_space.names)}'
                )
            if set(dataset.label_space.drivable) != set(data.label_space.drivable):
                raise UserError(
                    f'{dataset.description} has other drivable classes than '
                    f'{train[0].description}: {_listed(dataset.label_space.drivable)} instead of '
                    f'{_listed(data.label_space.drivable)}'
                )
        return data

    @property
    def label_space(self) -> LabelSpace:
        """The classes of all data sets."""
        label_space: LabelSpace = self.train[0].label_space
        return label_space

    @property
    def all(self) -> tuple[Dataset, ...]:
        """Training data, then validation data."""
        return self.train if self.validation is None else (*self.train, self.validation)

    def prepare(self) -> None:
        """Prepares slow data, such as synthetic frames, before processes are forked."""
        with progress_bar() as bar:
            for dataset in self.all:
                task = bar.add_task(f'preparing {dataset.description}', total=None, visible=False)
                dataset.prepare(
                    lambda done, total, task=task: bar.update(
                        task, completed=done, total=total, visible=True
                    )
                )

    def class_shares(self, fabric: Fabric, file: Path) -> npt.NDArray[np.float64]:
        """Reads every frame once and computes the share of each class in the training samples.

        The first process does this for all processes.

        Args:
            fabric: The processes that train.
            file: A file that stores the counts for a resumed run.

        Returns:
            (classes,) shares of labelled pixels.

        Raises:
            DatasetError: A frame is invalid.
        """
        shares = np.zeros(len(self.label_space))
        if fabric.is_global_zero:
            counts = read_counts(file, self._names, len(self.label_space)) or self._count(file)
            trained = counts[: len(self.train)]
            for share, pixels in zip(self.shares, trained, strict=True):
                shares += share * np.array(pixels) / sum(pixels)
        for_all: npt.NDArray[np.float64] = sum_without_gradient(
            fabric, torch.from_numpy(shares)
        ).numpy()
        return for_all

    @property
    def _names(self) -> list[str]:
        """Names of the data sets in the file of counts; descriptions alone may be equal."""
        return [f'{number}: {dataset.description}' for number, dataset in enumerate(self.all, 1)]

    def _count(self, file: Path) -> Sequence[Sequence[int]]:
        checked = {}
        with progress_bar() as bar:
            for name, dataset in zip(self._names, self.all, strict=True):
                task = bar.add_task(f'checking {dataset.description}', total=len(dataset))
                found = check_dataset(
                    dataset, progress=lambda done, _, task=task: bar.update(task, completed=done)
                )
                classes = dataset.label_space.names
                checked[name] = dict(zip(classes, found.pixels.tolist(), strict=True))
                if found.absent:
                    warn(f'{dataset.description} has no pixels of {", ".join(found.absent)}')
        write_json(file, checked)
        return [list(pixels.values()) for pixels in checked.values()]


def _open(config: TrainingConfig, settings: DatasetSettings) -> Dataset:
    located = config.located(settings)
    dataset: Dataset = located.open()
    if not located.has_truth:
        raise UserError(
            f'only the evaluation server has the truth of {dataset.description}: train and '
            'validate on other splits'
        )
    return dataset


def _listed(names: Sequence[str]) -> str:
    return ', '.join(names) or 'none'


def read_counts(file: Path, names: Sequence[str], classes: int) -> Sequence[Sequence[int]] | None:
    """Reads the pixels of each class that an earlier check of the data sets counted.

    Args:
        file: The file.
        names: Names of the data sets.
        classes: Number of their classes.

    Returns:
        Counts by data set and class; None if there is no file, or it is of other data sets.

    Raises:
        UserError: The file cannot be read, or is damaged.
    """
    if not file.is_file():
        return None
    try:
        checked = _COUNTS.validate_json(file.read_bytes())
    except OSError as error:
        raise UserError(f'cannot read {file}: {error.strerror}') from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ': '.join(map(str, (*first['loc'], first['msg'])))
        raise UserError(f'{file} is damaged: remove it to check the data again: {place}') from error
    if list(checked) != list(names):
        return None
    counts = [list(pixels.values()) for pixels in checked.values()]
    if not all(len(pixels) == classes and any(pixels) for pixels in counts):
        raise UserError(f'{file} is damaged: remove it to check the data again')
    return counts
