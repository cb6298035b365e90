# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Image files beside label files: which belong together, and reading them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
        name: What to call the frame in messages.
        image: The camera's image.
        labels: Its truth.
    """

    name: str
    image: Path
    labels: Path


class ImagePairs(Dataset):
    """Frames from files."""

    def __init__(
        self, title: str, pairs: Sequence[Pair], label_space: LabelSpace, read_labels: LabelReader
    ) -> None:
        """Take the files; nothing is read yet.

        Args:
            title: What to call the whole: 'CamVid train'.
            pairs: The frames.
            label_space: What the labels mean.
            read_labels: How to read them.
        """
        self.label_space = label_space
        self.description = describe(title, len(pairs))
        self._pairs = tuple(pairs)
        self._read_labels = read_labels

    def __len__(self) -> int:
        return len(self._pairs)

    def name_of(self, index: int) -> str:
        return self._pairs[index].name

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
    """Bring images and labels of equal keys together, in the order of the keys.

    Args:
        images: Files by what they have in common with their labels, which also names the frame.
        labels: Likewise.
        image_folder: Where the images are, for messages.
        label_folder: Where the labels are, for messages.

    Raises:
        DatasetError: There are no images, or an image or labels are alone.
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
