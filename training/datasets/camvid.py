# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""CamVid with 11 classes, in the layout of the SegNet tutorial."""

from __future__ import annotations

from typing import Literal

from bisenet_ros.label_space import CAMVID, IGNORE
from bisenet_training.datasets.image_pairs import ImagePairs, match
from bisenet_training.datasets.label_reader import IdImageReader
from bisenet_training.datasets.listing import files_by_stem
from bisenet_training.datasets.settings import SplitSettings

VOID = 11
"""The value of unlabelled pixels in label images."""

_CLASSES = {**{index: index for index in range(len(CAMVID))}, VOID: IGNORE, IGNORE: IGNORE}


class CamvidSettings(SplitSettings):
    """CamVid: images in `<split>/`, labels of the same name in `<split>annot/`.

    Attributes:
        root: The folder that holds the splits.
        split: One of them: train, val, test.
    """

    kind: Literal['camvid'] = 'camvid'
    evaluated_split = 'val'

    def open(self) -> ImagePairs:
        images, labels = self.root / self.split, self.root / f'{self.split}annot'
        pairs = match(files_by_stem(images), files_by_stem(labels), images, labels)
        reader = IdImageReader(_CLASSES, 'CamVid')
        return ImagePairs(f'CamVid {self.split}', pairs, CAMVID, reader)
