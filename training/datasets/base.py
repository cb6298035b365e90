# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The interface of data sets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from bisenet_ros.formatting import counted
from bisenet_ros.label_space import LabelSpace
from bisenet_training.datasets.sample import Sample


def describe(title: str, frames: int) -> str:
    """Returns the description of a data set: its title and number of frames."""
    return f'{title} ({counted(frames, "frame")})'


class Dataset(ABC):
    """Frames with labels by index; frames are read on access. Thread-safe.

    Attributes:
        label_space: Label space of the labels.
        description: Description for messages: 'CamVid train (367 frames)'.
    """

    label_space: LabelSpace
    description: str

    @abstractmethod
    def __len__(self) -> int:
        """Returns the number of frames, at least one."""

    @abstractmethod
    def __getitem__(self, index: int) -> Sample:
        """Reads a frame.

        Raises:
            DatasetError: The frame cannot be read, or its labels are invalid.
            IndexError: There is no such frame.
        """

    def prepare(self, progress: Callable[[int, int], None]) -> None:  # noqa: B027, few need it
        """Prepares what would slow down the first access to each frame; does nothing by default.

        Call it before forking processes, so that they do not repeat the work.

        Args:
            progress: Called in this thread with the number of frames done and their total.
        """

    @abstractmethod
    def name_of(self, index: int) -> str:
        """Returns the name of a frame in messages and in `Sample.name`, without reading it."""

    def files(self) -> Iterable[Path]:
        """Returns the files that the frames are read from; none by default."""
        return ()

    def __iter__(self) -> Iterator[Sample]:
        return (self[index] for index in range(len(self)))
