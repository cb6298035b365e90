# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""CamVid with 11 classes, in the layout of the SegNet tutorial."""

from __future__ import annotations

from typing import Literal

from bisenet_ros.label_space import CAMVID, IGNORE
from bisenet_training.datasets.image_pairs import ImagePairs, match
from bisenet_training.datasets.label_reader import IdImageReader
from bisenet_training.datasets.listing import files_by_stem
from bisenet_training.datasets.sample import DatasetError
from bisenet_training.datasets.settings import SplitSettings

VOID = 11
"""The value of unlabelled pixels in label images."""

_CLASSES = {**{index: index for index in range(len(CAMVID))}, VOID: IGNORE, IGNORE: IGNORE}


class CamvidSettings(SplitSettings):
    """CamVid: images in `<split>/`, labels of the same name in `<split>annot/`.

    Attributes:
        root: The folder that contains the splits.
        split: The split: train, val or test.
        drives: Name prefixes of the drives to use, such as 0001TP; () for all. Drives occur in
            several splits, so only excluded drives show how weights generalise.
    """

    kind: Literal['camvid'] = 'camvid'
    evaluated_split = 'val'
    drives: tuple[str, ...] = ()

    def open(self) -> ImagePairs:
        images, labels = self.root / self.split, self.root / f'{self.split}annot'
        pairs = match(files_by_stem(images), files_by_stem(labels), images, labels)
        title = f'CamVid {self.split}'
        if self.drives:
            pairs = [pair for pair in pairs if pair.name.startswith(self.drives)]
            title += f' {" ".join(self.drives)}'
            if not pairs:
                raise DatasetError(f'no frame in {images} is of {" or ".join(self.drives)}')
        return ImagePairs(title, pairs, CAMVID, IdImageReader(_CLASSES, 'CamVid'))
