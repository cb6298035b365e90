# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Matches image files with label files, and reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2

from bisenet_ros.label_space import LabelSpace
from bisenet_training.datasets.base import Dataset, describe
from bisenet_training.datasets.image_file import read_pixels
from bisenet_training.datasets.label_reader import LabelReader
from bisenet_training.datasets.sample import DatasetError, Sample


@dataclass(frozen=True)
class Pair:
    """The files of one frame.

    Attributes:
        name: Name of the frame in messages.
        image: The camera image.
        labels: Its ground truth.
    """

    name: str
    image: Path
    labels: Path


class ImagePairs(Dataset):
    """Frames from image and label files."""

    def __init__(
        self, title: str, pairs: Sequence[Pair], label_space: LabelSpace, read_labels: LabelReader
    ) -> None:
        """Does not read any file yet.

        Args:
            title: Title of the data set: 'CamVid train'.
            pairs: The frames.
            label_space: Label space of the labels.
            read_labels: Reads a label file.
        """
        self.label_space = label_space
        self.description = describe(title, len(pairs))
        self._pairs = tuple(pairs)
        self._read_labels = read_labels

    def __len__(self) -> int:
        return len(self._pairs)

    def name_of(self, index: int) -> str:
        return self._pairs[index].name

    def files(self) -> Iterator[Path]:
        return (file for pair in self._pairs for file in (pair.image, pair.labels))

    def __getitem__(self, index: int) -> Sample:
        pair = self._pairs[index]
        image = read_pixels(pair.image, cv2.IMREAD_COLOR)
        labels = self._read_labels(pair.labels)
        if labels.shape != image.shape[:2]:
            raise DatasetError(
                f'{pair.labels} is {labels.shape[1]}x{labels.shape[0]}, '
                f'but {pair.image} is {image.shape[1]}x{image.shape[0]}'
            )
        return Sample(pair.name, image, labels)


def match(
    images: Mapping[str, Path], labels: Mapping[str, Path], image_folder: Path, label_folder: Path
) -> list[Pair]:
    """Matches images and labels with equal keys, sorted by key.

    Args:
        images: Image files, keyed by the part of the name that they share with their labels.
        labels: Label files, keyed in the same way.
        image_folder: Folder of the images, for messages.
        label_folder: Folder of the labels, for messages.

    Raises:
        DatasetError: There are no images, or a file has no counterpart.
    """
    if not images:
        raise DatasetError(f'no images in {image_folder}')
    for alone, files, others, folder in (
        ('labels', images, labels, label_folder),
        ('image', labels, images, image_folder),
    ):
        missing = sorted(files.keys() - others.keys())
        if missing:
            more = f' (and for {len(missing) - 1} more)' if len(missing) > 1 else ''
            raise DatasetError(f'no {alone} in {folder} for {files[missing[0]]}{more}')
    return [Pair(key, images[key], labels[key]) for key in sorted(images)]
