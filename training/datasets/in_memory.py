# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whole data sets in memory, for `bisenet_training.train`, which goes when the new loop comes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bisenet_training.datasets.camvid import open_camvid
from bisenet_training.datasets.sample import Sample
from bisenet_training.datasets.synthetic import SyntheticFrames


def load_camvid(root: Path, split: str) -> list[Sample]:
    """A split of CamVid."""
    return list(open_camvid(root, split))


def render_synthetic(count: int, first_seed: int, size: tuple[int, int]) -> Iterator[Sample]:
    """Frames of the synthetic drive."""
    return iter(SyntheticFrames(count, first_seed, size)) if count else iter(())


def class_shares(samples: list[Sample], num_classes: int) -> npt.NDArray[np.float64]:
    """(num_classes,) share of each class in all pixels that have one."""
    counts = np.zeros(256, np.int64)
    for sample in samples:
        counts += np.bincount(sample.labels.ravel(), minlength=256)
    known = counts[:num_classes]
    shares: npt.NDArray[np.float64] = known / known.sum()
    return shares
