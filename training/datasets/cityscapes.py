# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cityscapes: fine annotations, and the ids that are used instead of its own in training."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from bisenet_ros.label_space import CITYSCAPES, IGNORE
from bisenet_training.datasets.image_pairs import ImagePairs, match
from bisenet_training.datasets.label_reader import IdImageReader
from bisenet_training.datasets.listing import files_by_stem

LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
"""The label id of every train id; `cityscapesscripts.helpers.labels` is where they come from."""

_NUM_LABEL_IDS = 34  # 0 to 33

LabelKind = Literal['label_ids', 'train_ids']

_FROM_LABEL_IDS = {
    # 255 is the licence plate, whose label id is -1.
    **dict.fromkeys((*range(_NUM_LABEL_IDS), 255), IGNORE),
    **{label_id: train_id for train_id, label_id in enumerate(LABEL_IDS)},
}
_FROM_TRAIN_IDS = {**{index: index for index in range(len(CITYSCAPES))}, IGNORE: IGNORE}

_LABEL_FILES: dict[LabelKind, tuple[str, dict[int, int]]] = {
    'label_ids': ('_gtFine_labelIds', _FROM_LABEL_IDS),
    'train_ids': ('_gtFine_labelTrainIds', _FROM_TRAIN_IDS),
}


def open_cityscapes(root: Path, split: str, labels: LabelKind = 'label_ids') -> ImagePairs:
    """Images in `leftImg8bit/<split>/<city>/`, labels in `gtFine/<split>/<city>/`.

    Args:
        root: The folder that holds `leftImg8bit` and `gtFine`.
        split: train, val or test.
        labels: Which label images to read: `*_labelIds.png`, which are in the download, or
            `*_labelTrainIds.png`, which Cityscapes' scripts write.

    Raises:
        DatasetError: A folder is missing or empty, or a file has no counterpart.
    """
    ending, classes = _LABEL_FILES[labels]
    image_folder, label_folder = root / 'leftImg8bit' / split, root / 'gtFine' / split
    pairs = match(
        files_by_stem(image_folder, '_leftImg8bit'),
        files_by_stem(label_folder, ending),
        image_folder,
        label_folder,
    )
    title = f'Cityscapes {split}'
    return ImagePairs(title, pairs, CITYSCAPES, IdImageReader(classes, 'Cityscapes'))


def to_label_ids(labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Train ids to label ids, as Cityscapes' server wants them; 0 (unlabelled) for `IGNORE`."""
    table = np.zeros(256, np.uint8)
    table[: len(LABEL_IDS)] = LABEL_IDS
    return table[labels]
