# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The interface of export formats."""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bisenet_ros.engine.pipeline import Pipeline
from bisenet_ros.errors import UserError
from bisenet_ros.extras import EXTRAS, advice
from bisenet_ros.preprocess import Normalization
from bisenet_training.export.metadata import Metadata

Array = npt.NDArray[Any]


class Model(Protocol):
    """An exported file, ready to run.

    Attributes:
        metadata: Its metadata.
    """

    metadata: Metadata

    def __call__(self, images: Array) -> Array:
        """Runs it on a batch, in the form of `metadata.interface.input`."""


class Format(ABC):
    """An export format; its packages are imported on use.

    Attributes:
        title: Name for display.
        suffix: Extension of its files.
        packages: Required packages.
        extra: The extra of this package that installs them.
    """

    title: ClassVar[str]
    suffix: ClassVar[str]
    packages: ClassVar[tuple[str, ...]] = ()
    extra: ClassVar[str] = ''

    def check_installed(self) -> None:
        """Checks that the packages of the format are installed.

        Raises:
            UserError: A package is missing; the message says what to install.
        """
        try:
            for package in self.packages:
                import_module(package)
        except ModuleNotFoundError as error:
            raise UserError(
                f'{self.title} is not installed: {advice(*EXTRAS[self.extra])}'
            ) from error

    def best_device(self) -> str:
        """Returns the device that `auto` selects on this machine."""
        return 'auto'

    @abstractmethod
    def write(self, pipeline: Pipeline, metadata: Metadata, path: Path) -> None:
        """Writes a file for batches of any size.

        Args:
            pipeline: The computation.
            metadata: The metadata.
            path: The file; further files have the same stem.
        """

    @abstractmethod
    def open(self, path: Path, device: torch.device) -> Model:
        """Reads a file.

        Raises:
            UserError: It is damaged or was not exported by this package, or the device is not
                available.
        """


def example_input(metadata: Metadata, batch: int) -> Tensor:
    """Returns an input of zeros, with the right shape and dtype."""
    width, height = metadata.checkpoint.network_size
    if metadata.interface.input == 'frames':
        return torch.zeros(batch, height, width, 3, dtype=torch.uint8)
    return torch.zeros(batch, 3, height, width)


def to_input(metadata: Metadata, frames: npt.NDArray[np.uint8]) -> Array:
    """Converts (B, height, width, 3) uint8 BGR at the network size to the input of a model."""
    if metadata.interface.input == 'frames':
        return frames
    normalization: Normalization = metadata.checkpoint.normalization
    return np.ascontiguousarray(normalization(torch.from_numpy(frames)).numpy())
