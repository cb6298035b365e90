# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a format of exported files is to those who write and run them."""

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
        metadata: What it says of itself.
    """

    metadata: Metadata

    def __call__(self, images: Array) -> Array:
        """Run it on a batch, in the form of `metadata.interface.input`."""


class Format(ABC):
    """One format; what it needs is imported when it is used.

    Attributes:
        title: What people call it.
        suffix: The end of a file's name.
        packages: What must be installed for it.
        extra: The extra of this package that installs them.
    """

    title: ClassVar[str]
    suffix: ClassVar[str]
    packages: ClassVar[tuple[str, ...]] = ()
    extra: ClassVar[str] = ''

    def check_installed(self) -> None:
        """Refuse to go on without what the format needs.

        Raises:
            UserError: It names what to install.
        """
        try:
            for package in self.packages:
                import_module(package)
        except ModuleNotFoundError as error:
            raise UserError(
                f'{self.title} is not installed: {advice(*EXTRAS[self.extra])}'
            ) from error

    def best_device(self) -> str:
        """The device that `auto` stands for, for what runs such files here."""
        return 'auto'

    @abstractmethod
    def write(self, pipeline: Pipeline, metadata: Metadata, path: Path) -> None:
        """Write a file, which takes batches of any size.

        Args:
            pipeline: What it is to compute.
            metadata: What it is to say of itself.
            path: The file; what belongs beside it has the same stem.
        """

    @abstractmethod
    def open(self, path: Path, device: torch.device) -> Model:
        """Read a file.

        Raises:
            UserError: It is damaged or no export of ours, or the device is not possible.
        """


def example_input(metadata: Metadata, batch: int) -> Tensor:
    """An input of the right shape and type: zeros."""
    width, height = metadata.checkpoint.network_size
    if metadata.interface.input == 'frames':
        return torch.zeros(batch, height, width, 3, dtype=torch.uint8)
    return torch.zeros(batch, 3, height, width)


def to_input(metadata: Metadata, frames: npt.NDArray[np.uint8]) -> Array:
    """(B, height, width, 3) uint8 BGR, of the network's size, in the form that a model takes."""
    if metadata.interface.input == 'frames':
        return frames
    normalization: Normalization = metadata.checkpoint.normalization
    return np.ascontiguousarray(normalization(torch.from_numpy(frames)).numpy())
