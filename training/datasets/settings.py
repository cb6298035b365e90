# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Base classes for the settings of data sets."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, BeforeValidator, SerializeAsAny

from bisenet_ros.errors import UserError
from bisenet_ros.strict_model import StrictModel
from bisenet_training.dataset_registry import settings_class
from bisenet_training.datasets.base import Dataset


def _expanded(path: Path) -> Path:
    return Path(os.path.expanduser(path))


FilePath = Annotated[Path, AfterValidator(_expanded)]
"""A path; `~` is the home folder."""


class LabelWriter(Protocol):
    """Writes the labels of a data set, frame by frame."""

    def write(self, name: str, labels: npt.NDArray[np.uint8]) -> None:
        """Writes a frame under the name of its sample; (H, W) ids in the data set's label space."""


class DatasetSettings(StrictModel, ABC):
    """Settings of a data set in a configuration.

    Attributes:
        kind: Name of the data set in `DATASETS`.
        evaluated_split: The default of `bisenet evaluate --split`; None without splits.
        has_truth: Whether there is ground truth.
    """

    kind: str
    evaluated_split: ClassVar[str | None] = None

    @abstractmethod
    def open(self) -> Dataset:
        """Finds the files; does not read images yet.

        Raises:
            UserError: A label map is invalid, a folder is missing or empty, or a file has no
                counterpart.
        """

    @classmethod
    def locate(cls, data: Path, split: str | None, label_map: Path | None) -> DatasetSettings:
        """Returns settings for the options of `bisenet evaluate`.

        Args:
            data: `--data`.
            split: `--split`, with the default `evaluated_split`.
            label_map: `--label-map`, or None.

        Raises:
            UserError: The options contradict each other.
        """
        name = cls.model_fields['kind'].default
        raise UserError(f'--dataset {name} is only for training and cannot be read from {data}')

    @property
    def has_truth(self) -> bool:
        return True

    def submission(self, folder: Path) -> LabelWriter:
        """Returns a writer of labels for the evaluation server of this data set.

        Raises:
            UserError: The data set has no such server.
        """
        raise UserError(f'--submission is not possible: {self.kind} has no evaluation server')


class SplitSettings(DatasetSettings):
    """A data set in a folder, with splits.

    Attributes:
        root: The folder.
        split: The split.
    """

    root: FilePath
    split: str

    @classmethod
    def locate(cls, data: Path, split: str | None, label_map: Path | None) -> DatasetSettings:
        name = cls.model_fields['kind'].default
        if split is None:
            raise UserError(f'--dataset {name} needs --split')
        if label_map is not None:
            raise UserError(
                f'--label-map is not possible with --dataset {name}, whose labels are known'
            )
        return cls.model_validate({'root': data, 'split': split})


def _of_its_kind(value: Any) -> Any:
    """Validates settings with the class of their `kind`."""
    if not isinstance(value, Mapping):
        return value
    if 'kind' not in value:
        raise ValueError('needs a kind, such as camvid')
    try:
        settings = settings_class(value['kind'])
    except UserError as error:
        raise ValueError(str(error)) from error
    return settings.model_validate(value)


AnyDataset = Annotated[SerializeAsAny[DatasetSettings], BeforeValidator(_of_its_kind)]
"""Settings of any data set of the registry."""
