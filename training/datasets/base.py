# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What every data set offers, wherever its frames come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

from bisenet_ros.label_space import LabelSpace
from bisenet_training.datasets.sample import Sample


def describe(title: str, frames: int) -> str:
    """A data set's description: what it is called, and how many frames it has."""
    return f'{title} ({frames} {"frame" if frames == 1 else "frames"})'


class Dataset(ABC):
    """Frames with labels, by index; each is read when it is asked for, from any thread.

    Attributes:
        label_space: What the labels mean.
        description: What this is, for people: 'CamVid train (367 frames)'.
    """

    label_space: LabelSpace
    description: str

    @abstractmethod
    def __len__(self) -> int:
        """How many frames there are; at least one."""

    @abstractmethod
    def __getitem__(self, index: int) -> Sample:
        """Read a frame.

        Raises:
            DatasetError: It cannot be read, or its labels are not what they should be.
            IndexError: There is no such frame.
        """

    @abstractmethod
    def name_of(self, index: int) -> str:
        """What a frame is called, in messages and in `Sample.name`, without reading it."""

    def __iter__(self) -> Iterator[Sample]:
        return (self[index] for index in range(len(self)))
