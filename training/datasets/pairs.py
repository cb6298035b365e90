# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Anybody's images and labels: two folders, or a list of pairs."""

from __future__ import annotations

from pathlib import Path

from bisenet_training.datasets.image_pairs import ImagePairs, Pair, match
from bisenet_training.datasets.label_map import LabelMap
from bisenet_training.datasets.listing import files_by_stem, read_list
from bisenet_training.datasets.sample import DatasetError


def open_pairs(images: Path, labels: Path, label_map: Path) -> ImagePairs:
    """Two folders; image and labels have the same name, suffixes apart, also in subfolders.

    Args:
        images: Folder of the images.
        labels: Folder of the label images.
        label_map: What these hold, as YAML; see `LabelMap`.

    Raises:
        UserError: The label map is wrong, a folder is missing or empty, or a file has no
            counterpart.
    """
    pairs = match(files_by_stem(images), files_by_stem(labels), images, labels)
    return _open(str(images), pairs, label_map)


def open_pair_list(pair_list: Path, label_map: Path) -> ImagePairs:
    """A text file with an image and its labels in each line.

    The two are separated by a tab, or by blanks if there is no tab in the line; relative paths
    start from the list's folder.

    Args:
        pair_list: The file.
        label_map: What the label images hold, as YAML; see `LabelMap`.

    Raises:
        UserError: The label map is wrong, the list cannot be read, a line is not a pair, or a file
            is missing.
    """
    pairs = []
    for line in read_list(pair_list):
        names = line.split('\t') if '\t' in line else line.split()
        if len(names) != 2:
            raise DatasetError(f'{pair_list} should hold an image and its labels, not {line!r}')
        image, labels = (pair_list.parent / name.strip() for name in names)
        for path in (image, labels):
            if not path.is_file():
                raise DatasetError(f'{pair_list} names {path}, which is not there')
        pairs.append(Pair(names[0].strip(), image, labels))
    return _open(str(pair_list), pairs, label_map)


def _open(title: str, pairs: list[Pair], label_map: Path) -> ImagePairs:
    meaning = LabelMap.load(label_map)
    return ImagePairs(title, pairs, meaning.label_space, meaning.reader(str(label_map)))
