# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames of the synthetic drive, with exact labels."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from threading import Lock
from typing import Annotated, Literal

import cv2
import numpy as np
from pydantic import Field

from bisenet_ros.label_space import CAMVID
from bisenet_ros.synthetic.drive import SyntheticDrive
from bisenet_training.datasets.base import Dataset, describe
from bisenet_training.datasets.sample import Sample
from bisenet_training.datasets.settings import DatasetSettings
from bisenet_training.setting_types import Count, CountOrZero, WholeNumber

FRAMES_PER_STREET = 4
"""Frames per street; several, because building a street takes longer than rendering it."""

_DRIVE_LENGTH = 600
"""Length of a drive in frames, from which a few are chosen."""


_Side = Annotated[WholeNumber, Field(ge=32)]


class SyntheticSettings(DatasetSettings):
    """The synthetic drive, with CamVid's classes.

    Attributes:
        frames: Number of frames.
        first_seed: Seed of the first street. Training uses seeds from 1000; demos and tests use
            lower ones.
        size: (width, height) of the frames.
    """

    kind: Literal['synthetic'] = 'synthetic'
    frames: Count
    first_seed: CountOrZero = 1000
    size: tuple[_Side, _Side] = (480, 360)

    def open(self) -> SyntheticFrames:
        return SyntheticFrames(self.frames, self.first_seed, self.size)


class SyntheticFrames(Dataset):
    """A few frames of every street.

    The frames of a street are rendered at the first access and then kept in memory, because
    rendering is much slower than reading from a disk.
    """

    def __init__(self, frames: int, first_seed: int, size: tuple[int, int]) -> None:
        """Does not render anything yet.

        Args:
            frames: Number of frames, at least 1.
            first_seed: Seed of the first street; the following streets have consecutive seeds.
            size: (width, height) of the frames.
        """
        self.label_space = CAMVID
        self.description = describe(f'synthetic drive from seed {first_seed}', frames)
        self._count = frames
        self._first_seed = first_seed
        self._size = size
        self._streets: dict[int, list[Sample]] = {}
        streets = -(-frames // FRAMES_PER_STREET)
        self._locks = [Lock() for _ in range(streets)]

    def __len__(self) -> int:
        return self._count

    def prepare(self, progress: Callable[[int, int], None]) -> None:
        """See `Dataset.prepare`: renders all streets, each in one of several processes."""
        left = [street for street in range(len(self._locks)) if street not in self._streets]
        if not left:
            return
        processes = min(len(os.sched_getaffinity(0)), len(left))
        # Forked, like the workers of a DataLoader: nothing has to be imported again. OpenCV uses
        # one thread in each.
        with ProcessPoolExecutor(processes, get_context('fork'), cv2.setNumThreads, (0,)) as pool:
            rendered = pool.map(_render, *zip(*map(self._arguments, left), strict=True))
            for street, samples in zip(left, rendered, strict=True):
                self._streets[street] = samples
                progress(sum(map(len, self._streets.values())), self._count)

    def name_of(self, index: int) -> str:
        street, place = self._place(index)
        return _name(self._first_seed + street, _moments(self._first_seed + street)[place])

    def __getitem__(self, index: int) -> Sample:
        street, place = self._place(index)
        with self._locks[street]:
            if street not in self._streets:
                self._streets[street] = _render(*self._arguments(street))
        return self._streets[street][place]

    def _place(self, index: int) -> tuple[int, int]:
        if not 0 <= index < self._count:
            raise IndexError(f'no frame {index} among {self._count}')
        return divmod(index, FRAMES_PER_STREET)

    def _arguments(self, street: int) -> tuple[int, tuple[int, int], int]:
        """Returns the arguments of `_render` for a street."""
        frames = min(FRAMES_PER_STREET, self._count - street * FRAMES_PER_STREET)
        return self._first_seed + street, self._size, frames


def _render(seed: int, size: tuple[int, int], frames: int) -> list[Sample]:
    """Renders the first of a street's chosen frames."""
    drive = SyntheticDrive(seed, size)
    return [Sample(_name(seed, moment), *drive.frame(moment)) for moment in _moments(seed)[:frames]]


def _moments(seed: int) -> list[int]:
    """Returns the numbers of the chosen frames of a street."""
    rng = np.random.default_rng(seed)
    return [int(rng.integers(0, _DRIVE_LENGTH)) for _ in range(FRAMES_PER_STREET)]


def _name(seed: int, moment: int) -> str:
    return f'synthetic street {seed}, frame {moment}'
