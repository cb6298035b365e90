# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Checks a whole data set before training, so that errors do not surface hours later."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bisenet_ros.label_space import LabelSpace
from bisenet_ros.limits import MIN_SIDE
from bisenet_training.datasets.base import Dataset
from bisenet_training.datasets.sample import DatasetError


@dataclass(frozen=True)
class DatasetCheck:
    """The contents of a valid data set.

    Attributes:
        label_space: Its classes.
        pixels: (num_classes,) int64 pixels of each class.
    """

    label_space: LabelSpace
    pixels: npt.NDArray[np.int64]

    @property
    def absent(self) -> tuple[str, ...]:
        """Names of the classes that never occur."""
        names = self.label_space.names
        return tuple(name for name, count in zip(names, self.pixels, strict=True) if count == 0)


def check_dataset(
    dataset: Dataset,
    *,
    threads: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> DatasetCheck:
    """Reads every frame once and counts its labels.

    Args:
        dataset: The data set.
        threads: Number of frames to read at the same time; None for the number of processors.
        progress: Called in this thread after each frame, with the number done and the total.

    Raises:
        DatasetError: A file cannot be read, sizes differ, a frame is too small, a label is unknown
            (the message names the first such frame), or no pixel has a class.
    """

    def count(index: int) -> npt.NDArray[np.int64]:
        labels = dataset[index].labels
        height, width = labels.shape
        if min(width, height) < MIN_SIDE:
            raise DatasetError(
                f'{dataset.name_of(index)} of {dataset.description} is {width}x{height}: '
                f'frames must be at least {MIN_SIDE}x{MIN_SIDE}'
            )
        return np.bincount(labels.ravel(), minlength=256).astype(np.int64)

    total = np.zeros(256, np.int64)
    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        for done, counts in enumerate(pool.map(count, range(len(dataset))), start=1):
            total += counts
            progress(done, len(dataset))
    pixels = total[: len(dataset.label_space)]
    if not pixels.any():
        raise DatasetError(f'{dataset.description}: no pixel has a class')
    return DatasetCheck(dataset.label_space, pixels)
