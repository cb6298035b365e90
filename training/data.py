# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Orders and batches training samples.

Every batch depends only on the seed and the step. So a resumed run continues with the same batches,
and several processes share the batch that a single process would have.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, get_worker_info
from torch.utils.data import Dataset as TorchDataset
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from bisenet_ros.errors import UserError, first_line
from bisenet_training.augment import Augmentation
from bisenet_training.config import Size
from bisenet_training.datasets import Dataset

AugmentedSample = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]
"""Image (H, W, 3) uint8 BGR, and labels (H, W) uint8."""

Batch = tuple[Tensor, Tensor]
"""Images (B, H, W, 3) uint8 BGR, and labels (B, H, W) uint8."""

_MAX_WORKERS = 8
_PREFETCHED_BATCHES = 4


class Plan:
    """Maps every sample of a training run to a frame of a data set.

    Data sets are drawn according to their shares. Within a data set, every frame is used once
    before any is used again. A longer plan begins with the shorter one.
    """

    def __init__(
        self, datasets: Sequence[Dataset], shares: Sequence[float], samples: int, seed: int
    ) -> None:
        """Draws the whole plan, which takes 16 bytes per sample.

        Args:
            datasets: The data sets.
            shares: Share of each; only ratios count.
            samples: Number of samples.
            seed: Random seed.
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
        """Returns the number of samples."""
        return len(self._source)

    def __getitem__(self, sample: int) -> tuple[Dataset, int]:
        """Returns the data set of a sample, and the index of the frame in it."""
        return self.datasets[self._source[sample]], int(self._frame[sample])

    def name_of(self, sample: int) -> str:
        """Returns the name of a sample's frame, with its data set."""
        dataset, index = self[sample]
        return f'{dataset.name_of(index)} of {dataset.description}'


@dataclass(frozen=True)
class AugmentedSamples(TorchDataset[AugmentedSample]):
    """Augmented samples; each depends only on the seed and its number.

    Attributes:
        plan: Maps samples to frames.
        augmentation: Makes a sample from a frame.
        crop: (width, height) of a sample.
        seed: Random seed.
        pasted: Ids of the classes that are copied from one sample to another.
    """

    plan: Plan
    augmentation: Augmentation
    crop: Size
    seed: int
    pasted: tuple[int, ...] = ()

    def __getitem__(self, number: int) -> AugmentedSample:
        """Returns the sample with a number."""
        dataset, index = self.plan[number]
        chance = np.random.SeedSequence((self.seed, 2, number)).generate_state(1, np.uint64)
        generator = torch.Generator().manual_seed(int(chance[0]))
        image, labels = self._augmented(dataset, index, generator)
        if torch.rand((), generator=generator).item() < self.augmentation.settings.copy_paste:
            other = int(torch.randint(len(dataset), (), generator=generator))
            source, source_labels = self._augmented(dataset, other, generator)
            copied = np.isin(source_labels, self.pasted)
            image[copied], labels[copied] = source[copied], source_labels[copied]
        return image, labels

    def __getitems__(self, numbers: Sequence[int]) -> list[AugmentedSample] | UserError:
        """Returns the samples of a batch, or why one of them cannot be made.

        A loader calls this in its processes, and would wrap an error that is raised there in the
        text of a traceback.
        """
        try:
            return [self[number] for number in numbers]
        except UserError as error:
            return error

    def _augmented(
        self, dataset: Dataset, index: int, generator: torch.Generator
    ) -> AugmentedSample:
        sample = dataset[index]
        augmented: AugmentedSample = self.augmentation(
            sample.image, sample.labels, self.crop, generator
        )
        return augmented


@dataclass(frozen=True)
class Shard:
    """The part of each batch that one process trains on.

    The samples of a step are split into `accumulate` parts, and each part over the processes.

    Attributes:
        batch: Samples per step, over all processes.
        accumulate: Number of parts of a step.
        rank: Rank of this process.
        processes: Number of processes.

    Raises:
        UserError: The batch cannot be split equally.
    """

    batch: int
    accumulate: int
    rank: int
    processes: int

    def __post_init__(self) -> None:
        parts = self.accumulate * self.processes
        if self.batch % parts:
            raise UserError(
                f'a batch of {self.batch} cannot be split over {self.processes} processes and '
                f'{self.accumulate} parts: batch must be a multiple of {parts}'
            )

    @property
    def size(self) -> int:
        """Samples per forward pass of this process."""
        return self.batch // (self.accumulate * self.processes)

    def batches(self, first_step: int, last_step: int) -> Iterator[list[int]]:
        """Yields the sample numbers of this process's batches from `first_step` to `last_step`."""
        for part in range(first_step * self.accumulate, last_step * self.accumulate):
            start = (part * self.processes + self.rank) * self.size
            yield list(range(start, start + self.size))


@contextmanager
def prepare_batches(
    samples: AugmentedSamples, numbers: Iterator[list[int]], workers: int, *, pin_memory: bool
) -> Iterator[Iterator[Batch]]:
    """Prepares batches in `workers` processes, or in this process if 0, in a `with` block.

    Workers are always forked: they share the rendered frames of synthetic data sets and do not use
    GPUs. They are stopped at the end of the block, since they ignore the SIGTERM that Python sends
    at exit.

    Args:
        samples: The samples.
        numbers: Sample numbers of each batch.
        workers: Number of processes.
        pin_memory: Whether batches are in memory that a GPU reads directly.

    Raises:
        UserError: A sample cannot be read, or there is no shared memory for a batch, which is
            raised when the batch is due; or a worker was killed.
    """
    loader = DataLoader(
        samples,
        batch_sampler=numbers,
        num_workers=workers,
        collate_fn=_collate,
        pin_memory=pin_memory,
        prefetch_factor=_PREFETCHED_BATCHES if workers else None,
        multiprocessing_context='fork' if workers else None,
        worker_init_fn=_prepare_worker,
    )
    try:
        with _stopping_workers(loader) as batches:
            yield map(_without_error, batches)
    except (ConnectionError, EOFError, RuntimeError) as error:
        # If no connection breaks before, torch raises a RuntimeError wherever the block is, also
        # where it stops the workers.
        if isinstance(error, RuntimeError) and not str(error).startswith('DataLoader worker'):
            raise
        raise UserError(
            f'a data-loading process was killed ({first_line(error)}): if memory ran out, use fewer'
            ' workers; continue with --resume'
        ) from error


@contextmanager
def _stopping_workers(loader: DataLoader[AugmentedSample]) -> Iterator[Iterator[Batch | UserError]]:
    """Iterates over a loader, and stops its workers at the end of the block."""
    batches = iter(loader)
    try:
        yield batches
    finally:
        if isinstance(batches, _MultiProcessingDataLoaderIter):
            # torch has no public way to stop them while a traceback keeps the iterator alive.
            batches._shutdown_workers()


def suitable_workers(processes_on_machine: int) -> int:
    """Returns the number of data-loading processes per training process on this machine."""
    cores = len(os.sched_getaffinity(0))
    return min(_MAX_WORKERS, max(cores // processes_on_machine - 1, 0))


def _collate(samples: Sequence[AugmentedSample] | UserError) -> Batch | UserError:
    if isinstance(samples, UserError):
        return samples
    images = torch.from_numpy(np.stack([image for image, _ in samples]))
    labels = torch.from_numpy(np.stack([labels for _, labels in samples]))
    if get_worker_info() is None:
        return images, labels
    try:
        # Here, because torch would do it in a thread. Without room, that drops the batch, and the
        # training waits for it forever.
        return images.share_memory_(), labels.share_memory_()
    except RuntimeError as error:
        return UserError(
            f'no shared memory for a batch ({first_line(error)}): make room in /dev/shm (in Docker:'
            ' --shm-size=8g) or use fewer workers (workers=0 needs none), and continue with'
            ' --resume'
        )


def _without_error(batch: Batch | UserError) -> Batch:
    if isinstance(batch, UserError):
        raise batch
    return batch


def _prepare_worker(_: int) -> None:
    """Makes libraries in a worker single-threaded, because there are many workers.

    Ctrl-C and `timeout` signal the workers, too. They ignore it, so that the training can finish
    its step. `prepare_batches` ends them then, and if it is gone, they end by themselves.
    """
    cv2.setNumThreads(0)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
