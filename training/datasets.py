# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames with labels, held in memory: CamVid from a folder, and the synthetic drive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from bisenet_ros.demo.drive import SyntheticDrive
from bisenet_ros.errors import UserError
from bisenet_ros.label_space import CAMVID, IGNORE

CAMVID_VOID = 11
"""What the 11-class label images of CamVid hold where no class is known."""


FRAMES_PER_STREET = 4
"""Frames rendered of one synthetic street: to build a street takes longer than to render it."""


class DatasetError(UserError):
    """A data set is missing, incomplete, or holds labels that it should not."""


@dataclass(frozen=True)
class Sample:
    """One frame and its truth.

    Attributes:
        name: What to call it in messages.
        image: (H, W, 3) uint8 BGR.
        labels: (H, W) uint8, `IGNORE` where there is no truth.
    """

    name: str
    image: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]


def load_camvid(root: Path, split: str) -> list[Sample]:
    """CamVid in the layout of the SegNet tutorial: `train/`, `trainannot/`, `val/`, …

    Args:
        root: The folder that holds the splits.
        split: Name of the split.

    Raises:
        DatasetError: A folder or a pair is missing, sizes differ, or a label is unknown.
    """
    images = sorted(path for path in (root / split).glob('*') if path.suffix in ('.png', '.jpg'))
    if not images:
        raise DatasetError(f'no png or jpg images in {root / split}')
    return [_read_pair(path, root / f'{split}annot' / f'{path.stem}.png') for path in images]


def _read_pair(image_path: Path, labels_path: Path) -> Sample:
    image = _read(image_path, cv2.IMREAD_COLOR)
    labels = _read(labels_path, cv2.IMREAD_UNCHANGED)
    if labels.shape != image.shape[:2]:
        raise DatasetError(f'{labels_path} is not a one-channel image of the size of {image_path}')
    labels = np.where(labels == CAMVID_VOID, IGNORE, labels).astype(np.uint8)
    unknown = np.setdiff1d(labels, [*range(len(CAMVID)), IGNORE])
    if unknown.size:
        raise DatasetError(f'{labels_path} holds label {unknown[0]}, which is no class of CamVid')
    return Sample(image_path.stem, image, labels)


def _read(path: Path, flags: int) -> npt.NDArray[np.uint8]:
    content = cv2.imread(str(path), flags)
    if content is None:
        raise DatasetError(f'cannot read {path}: missing, or not an image')
    return np.asarray(content, np.uint8)


def render_synthetic(count: int, first_seed: int, size: tuple[int, int]) -> Iterator[Sample]:
    """Frames of the synthetic drive, a few from every street.

    Args:
        count: How many frames.
        first_seed: Seed of the first street; the others count up from it.
        size: (width, height) of the frames.
    """
    for number in range(count):
        seed = first_seed + number // FRAMES_PER_STREET
        if number % FRAMES_PER_STREET == 0:
            drive, rng = SyntheticDrive(seed, size), np.random.default_rng(seed)
        index = int(rng.integers(0, 600))
        image, labels = drive.frame(index)
        yield Sample(f'synthetic street {seed}, frame {index}', image, labels)


def class_shares(samples: list[Sample], num_classes: int) -> npt.NDArray[np.float64]:
    """(num_classes,) share of each class in all pixels that have one."""
    counts = np.zeros(256, np.int64)
    for sample in samples:
        counts += np.bincount(sample.labels.ravel(), minlength=256)
    known = counts[:num_classes]
    shares: npt.NDArray[np.float64] = known / known.sum()
    return shares
