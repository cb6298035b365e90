# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which sample comes when, and how it becomes part of a batch.

Every batch follows from the seed and the step alone. So a run that was killed goes on with the very
batches that were due, and several processes share the batch that one would have had.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from bisenet_ros.errors import UserError
from bisenet_training.augment import Augmentation
from bisenet_training.config import Size
from bisenet_training.datasets import Dataset

View = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]
"""Image (H, W, 3) uint8 BGR, and labels (H, W) uint8."""

Batch = tuple[Tensor, Tensor]
"""Images (B, H, W, 3) uint8 BGR, and labels (B, H, W) uint8."""

_MAX_WORKERS = 8
_PREFETCHED_BATCHES = 4


class Plan:
    """Which frame of which data set every sample of a training is.

    Data sets are drawn by their shares; within one, every frame comes once before any comes again.
    A longer plan begins like a shorter one.
    """

    def __init__(
        self, datasets: Sequence[Dataset], shares: Sequence[float], samples: int, seed: int
    ) -> None:
        """Draw it all beforehand: 16 bytes per sample.

        Args:
            datasets: What there is.
            shares: How much of each; only their ratios count.
            samples: How many samples there will be.
            seed: Of all chance.
        """
        self.datasets = tuple(datasets)
        limits = np.cumsum(shares) / np.sum(shares)
        chance = np.random.default_rng((seed, 0)).random(samples)
        self._source = np.minimum(np.searchsorted(limits, chance, side='right'), len(limits) - 1)
        self._frame = np.zeros(samples, np.int64)
        for number, dataset in enumerate(self.datasets):
            places = np.flatnonzero(self._source == number)
            rng = np.random.default_rng((seed, 1, number))
            rounds = -(-len(places) // len(dataset))
            order = [rng.permutation(len(dataset)) for _ in range(rounds)]
            self._frame[places] = np.concatenate(order)[: len(places)] if order else 0

    def __len__(self) -> int:
        """How many samples it has."""
        return len(self._source)

    def __getitem__(self, sample: int) -> tuple[Dataset, int]:
        """The data set that a sample comes from, and the index of the frame in it."""
        return self.datasets[self._source[sample]], int(self._frame[sample])

    def name_of(self, sample: int) -> str:
        """What the frame of a sample is called, with its data set."""
        dataset, index = self[sample]
        return f'{dataset.name_of(index)} of {dataset.description}'


@dataclass(frozen=True)
class Views(TorchDataset[View]):
    """Samples as the network sees them: a random view, which follows from seed and number alone.

    Attributes:
        plan: Which frame each is of.
        augmentation: What makes a view of a frame.
        crop: (width, height) of a view.
        seed: Of all chance.
        pasted: Ids of the classes that are copied from one view to another.
    """

    plan: Plan
    augmentation: Augmentation
    crop: Size
    seed: int
    pasted: tuple[int, ...] = ()

    def __getitem__(self, number: int) -> View:
        """The view that a sample is, from its number."""
        dataset, index = self.plan[number]
        chance = np.random.SeedSequence((self.seed, 2, number)).generate_state(1, np.uint64)
        generator = torch.Generator().manual_seed(int(chance[0]))
        image, labels = self._view(dataset, index, generator)
        if torch.rand((), generator=generator).item() < self.augmentation.settings.copy_paste:
            other = int(torch.randint(len(dataset), (), generator=generator))
            source, source_labels = self._view(dataset, other, generator)
            copied = np.isin(source_labels, self.pasted)
            image[copied], labels[copied] = source[copied], source_labels[copied]
        return image, labels

    def _view(self, dataset: Dataset, index: int, generator: torch.Generator) -> View:
        sample = dataset[index]
        view: View = self.augmentation(sample.image, sample.labels, self.crop, generator)
        return view


@dataclass(frozen=True)
class Shard:
    """The part of the batches that one process prepares and learns from.

    A step's samples are cut into `accumulate` parts, and each of these among the processes.

    Attributes:
        batch: Samples of a step, over all processes.
        accumulate: Parts that a step's samples are passed through the network in.
        rank: Which process this is.
        processes: How many there are.

    Raises:
        UserError: The batch does not fall into equal parts.
    """

    batch: int
    accumulate: int
    rank: int
    processes: int

    def __post_init__(self) -> None:
        parts = self.accumulate * self.processes
        if self.batch % parts:
            raise UserError(
                f'a batch of {self.batch} cannot be shared by {self.processes} processes in '
                f'{self.accumulate} parts: batch has to be a multiple of {parts}'
            )

    @property
    def size(self) -> int:
        """Samples that this process takes at a time."""
        return self.batch // (self.accumulate * self.processes)

    def batches(self, first_step: int, last_step: int) -> Iterator[list[int]]:
        """Numbers of the samples of each of this process' batches, for the steps up to `last`."""
        for part in range(first_step * self.accumulate, last_step * self.accumulate):
            start = (part * self.processes + self.rank) * self.size
            yield list(range(start, start + self.size))


def make_loader(
    views: Views, batches: Iterator[list[int]], workers: int, *, pin_memory: bool
) -> DataLoader[View]:
    """A loader that prepares batches in `workers` processes, or in between where that is 0.

    It can be gone through once.

    What it gives is a `Batch`; torch names loaders after what their data set gives. Workers are
    forked, also where Python would start them otherwise: they share the frames of synthetic data
    sets, which are rendered already, and leave GPUs alone.
    """
    return DataLoader(
        views,
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=_collate,
        pin_memory=pin_memory,
        prefetch_factor=_PREFETCHED_BATCHES if workers else None,
        multiprocessing_context='fork' if workers else None,
        worker_init_fn=_prepare_worker,
    )


def suitable_workers(processes_on_machine: int) -> int:
    """How many processes are to prepare batches for each process that trains on this machine."""
    cores = len(os.sched_getaffinity(0))
    return min(_MAX_WORKERS, max(cores // processes_on_machine - 1, 0))


def _collate(views: Sequence[View]) -> Batch:
    images = np.stack([image for image, _ in views])
    labels = np.stack([labels for _, labels in views])
    return torch.from_numpy(images), torch.from_numpy(labels)


def _prepare_worker(_: int) -> None:
    """A worker is one of many: what it calls is not to start threads of its own."""
    cv2.setNumThreads(0)
