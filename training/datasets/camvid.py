# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""CamVid with 11 classes, in the layout of the SegNet tutorial."""

from __future__ import annotations

from pathlib import Path

from bisenet_ros.label_space import CAMVID, IGNORE
from bisenet_training.datasets.image_pairs import ImagePairs, match
from bisenet_training.datasets.label_reader import IdImageReader
from bisenet_training.datasets.listing import files_by_stem

VOID = 11
"""What the label images hold where no class is known."""

_CLASSES = {**{index: index for index in range(len(CAMVID))}, VOID: IGNORE, IGNORE: IGNORE}


def open_camvid(root: Path, split: str) -> ImagePairs:
    """Images in `<split>/`, labels of the same name in `<split>annot/`.

    Args:
        root: The folder that holds the splits.
        split: One of them: train, val, test.

    Raises:
        DatasetError: A folder is missing or empty, or a file has no counterpart.
    """
    images, labels = root / split, root / f'{split}annot'
    pairs = match(files_by_stem(images), files_by_stem(labels), images, labels)
    return ImagePairs(f'CamVid {split}', pairs, CAMVID, IdImageReader(_CLASSES, 'CamVid'))
