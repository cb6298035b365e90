# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Custom images and labels: two folders, or a list of pairs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from bisenet_ros.errors import UserError
from bisenet_training.datasets.image_pairs import ImagePairs, Pair, match
from bisenet_training.datasets.label_map import LabelMap
from bisenet_training.datasets.listing import files_by_stem, read_list
from bisenet_training.datasets.sample import DatasetError
from bisenet_training.datasets.settings import DatasetSettings, FilePath


class PairListSettings(DatasetSettings):
    """A text file with an image and its label image on each line.

    The separator is a tab, otherwise spaces, otherwise a comma. Paths are relative to the folder of
    the list.

    Attributes:
        pairs: The file.
        label_map: A YAML file; see `LabelMap`.
    """

    kind: Literal['pair_list'] = 'pair_list'
    pairs: FilePath
    label_map: FilePath

    @classmethod
    def locate(cls, data: Path, split: str | None, label_map: Path | None) -> PairListSettings:
        if split is not None:
            raise UserError(f'--split is not possible with a list of pairs: {data} is a file')
        return cls(pairs=data, label_map=_given(label_map))

    def open(self) -> ImagePairs:
        pairs = []
        for line in read_list(self.pairs):
            names = _two_names(line)
            if len(names) != 2:
                raise DatasetError(
                    f'{self.pairs} has a line that is not an image and its labels, separated by a '
                    f'tab, spaces or a comma: {line!r}'
                )
            image, labels = (self.pairs.parent / name.strip() for name in names)
            for path in (image, labels):
                if not os.path.isfile(path):
                    raise DatasetError(f'{self.pairs} names {path}, which does not exist')
            pairs.append(Pair(names[0].strip(), image, labels))
        return _open(str(self.pairs), pairs, self.label_map)


class PairsSettings(DatasetSettings):
    """Two folders, in which image and labels have the same relative path except for the suffix.

    Attributes:
        images: Folder of the images.
        labels: Folder of the label images.
        label_map: A YAML file; see `LabelMap`.
    """

    kind: Literal['pairs'] = 'pairs'
    images: FilePath
    labels: FilePath
    label_map: FilePath

    @classmethod
    def locate(cls, data: Path, split: str | None, label_map: Path | None) -> DatasetSettings:
        """Accepts a list of pairs, or a folder with `images/[SPLIT]` and `labels/[SPLIT]`."""
        if os.path.isfile(data):
            return PairListSettings.locate(data, split, label_map)
        part = split or '.'
        return cls(
            images=data / 'images' / part,
            labels=data / 'labels' / part,
            label_map=_given(label_map),
        )

    def open(self) -> ImagePairs:
        images, labels = files_by_stem(self.images), files_by_stem(self.labels)
        pairs = match(images, labels, self.images, self.labels)
        return _open(str(self.images), pairs, self.label_map)


def _two_names(line: str) -> list[str]:
    if '\t' in line:
        return line.split('\t')
    names = line.split()
    is_plain = len(names) == 2 and ',' not in (names[0][-1], names[1][0])
    return names if is_plain or ',' not in line else line.split(',')


def _given(label_map: Path | None) -> Path:
    if label_map is None:
        raise UserError(
            '--dataset pairs needs --label-map FILE, which maps label values to classes'
        )
    return label_map


def _open(title: str, pairs: list[Pair], label_map: Path) -> ImagePairs:
    meaning = LabelMap.load(label_map)
    return ImagePairs(title, pairs, meaning.label_space, meaning.reader(str(label_map)))
