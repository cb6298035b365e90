# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Label images as Cityscapes' evaluation server, and its scripts, take them.

One PNG for each image, of its size, 8 bit, with label ids (not train ids), whose name starts with
city, sequence and frame. Folders within do not matter: the scripts search all.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from bisenet_ros.console import make_folder
from bisenet_ros.label_space import CITYSCAPES, IGNORE
from bisenet_ros.media import write_image
from bisenet_training.datasets import Dataset, DatasetError, Sample
from bisenet_training.datasets.cityscapes import to_label_ids
from bisenet_training.datasets.image_file import read_pixels
from bisenet_training.datasets.listing import files_by_stem
from bisenet_training.evaluation.predictor import Pixels


class CityscapesSubmission:
    """Writes a submission, frame by frame.

    Args:
        folder: Where to; it is made.

    Raises:
        UserError: The folder or, later, a file cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        make_folder(folder)

    def write(self, name: str, labels: Pixels) -> None:
        """Write a frame.

        Args:
            name: As the data set calls it: 'berlin/berlin_000000_000019'.
            labels: (H, W) train ids, `IGNORE` where nothing was found.
        """
        path = self._folder / f'{Path(name).name}_pred.png'
        write_image(path, to_label_ids(labels))


class UnseenCityscapes(Dataset):
    """Images of Cityscapes whose truth only the evaluation server has: all is `IGNORE`.

    The download has label images for them, too, but they say nothing.

    Args:
        root: The folder that holds `leftImg8bit`.
        split: A folder in there.

    Raises:
        DatasetError: There are no images.
    """

    def __init__(self, root: Path, split: str) -> None:
        folder = root / 'leftImg8bit' / split
        self._images: list[tuple[str, Path]] = list(files_by_stem(folder, '_leftImg8bit').items())
        if not self._images:
            raise DatasetError(f'no images in {folder}')
        self.label_space = CITYSCAPES
        self.description = f'Cityscapes {split} ({len(self._images)} frames)'

    def __len__(self) -> int:
        return len(self._images)

    def name_of(self, index: int) -> str:
        return self._images[index][0]

    def __getitem__(self, index: int) -> Sample:
        name, path = self._images[index]
        image = np.asarray(read_pixels(path, cv2.IMREAD_COLOR), np.uint8)
        return Sample(name, image, np.full(image.shape[:2], IGNORE, np.uint8))
