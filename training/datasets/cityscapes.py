# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cityscapes: fine annotations, mapped to train ids, and output for its evaluation server."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from bisenet_ros.label_space import CITYSCAPES, IGNORE
from bisenet_ros.media import write_image
from bisenet_ros.output_files import make_folder
from bisenet_training.datasets.base import Dataset, describe
from bisenet_training.datasets.image_file import read_pixels
from bisenet_training.datasets.image_pairs import ImagePairs, match
from bisenet_training.datasets.label_reader import IdImageReader
from bisenet_training.datasets.listing import files_by_stem
from bisenet_training.datasets.sample import Sample
from bisenet_training.datasets.settings import SplitSettings

LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
"""Label id of each train id, from `cityscapesscripts.helpers.labels`."""

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


class CityscapesSettings(SplitSettings):
    """Cityscapes: images in `leftImg8bit/<split>/<city>/`, labels in `gtFine/<split>/<city>/`.

    Attributes:
        root: The folder that holds `leftImg8bit` and `gtFine`.
        split: train, val, or test; only the evaluation server has the ground truth of test.
        labels: Label images to read: `*_labelIds.png` from the download, or `*_labelTrainIds.png`
            from its scripts; None for the former, or the latter if a split has only those.
    """

    kind: Literal['cityscapes'] = 'cityscapes'
    evaluated_split = 'val'
    labels: LabelKind | None = None

    @property
    def has_truth(self) -> bool:
        split: str = self.split
        return split != 'test'

    def open(self) -> Dataset:
        title = f'Cityscapes {self.split}'
        image_folder = self.root / 'leftImg8bit' / self.split
        label_folder = self.root / 'gtFine' / self.split
        images = files_by_stem(image_folder, '_leftImg8bit')
        if not self.has_truth:
            return _UnseenImages(title, images)
        ending, classes = _LABEL_FILES[self.labels or _kind_in(label_folder)]
        pairs = match(images, files_by_stem(label_folder, ending), image_folder, label_folder)
        return ImagePairs(title, pairs, CITYSCAPES, IdImageReader(classes, 'Cityscapes'))

    def submission(self, folder: Path) -> CityscapesSubmission:
        return CityscapesSubmission(folder)


def _kind_in(folder: Path) -> LabelKind:
    """Returns the kind of the label images in a folder; label ids if there are both or neither."""
    stems = files_by_stem(folder)
    for kind, (ending, _) in _LABEL_FILES.items():
        if any(stem.endswith(ending) for stem in stems):
            return kind
    return 'label_ids'


class _UnseenImages(Dataset):
    """Images whose ground truth is only on the evaluation server: all labels are `IGNORE`.

    The download contains label images for them, but these are blank.
    """

    label_space = CITYSCAPES

    def __init__(self, title: str, images: dict[str, Path]) -> None:
        self._images = list(images.items())
        self.description = describe(title, len(self._images))

    def __len__(self) -> int:
        return len(self._images)

    def name_of(self, index: int) -> str:
        return self._images[index][0]

    def __getitem__(self, index: int) -> Sample:
        name, path = self._images[index]
        image = read_pixels(path, cv2.IMREAD_COLOR)
        return Sample(name, image, np.full(image.shape[:2], IGNORE, np.uint8))


class CityscapesSubmission:
    """Writes label images for the evaluation server and the scripts of Cityscapes.

    Each image gives one 8-bit PNG of the same size, with label ids (not train ids). Its name starts
    with city, sequence and frame; subfolders do not matter.

    Args:
        folder: The output folder; created with the first frame.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, name: str, labels: npt.NDArray[np.uint8]) -> None:
        """Writes a frame.

        Args:
            name: The name in the data set: 'berlin/berlin_000000_000019'.
            labels: (H, W) train ids, `IGNORE` for unlabelled pixels.

        Raises:
            UserError: The folder or the file cannot be written.
        """
        make_folder(self._folder)
        write_image(self._folder / f'{Path(name).name}_pred.png', to_label_ids(labels))


def to_label_ids(labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Converts train ids to label ids; `IGNORE` becomes 0 (unlabelled)."""
    table = np.zeros(256, np.uint8)
    table[: len(LABEL_IDS)] = LABEL_IDS
    return table[labels]
