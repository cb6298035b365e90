# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The check before training: counts, what is wrong, and progress."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_datasets import CAMVID_NAMES, make_camvid_tree, write_image

from bisenet_ros.label_space import CAMVID, IGNORE
from bisenet_training.datasets import DatasetError, check_dataset
from bisenet_training.datasets.camvid import VOID, CamvidSettings


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_camvid_tree(tmp_path / 'camvid', train=8, val=1, size=(64, 48))


@pytest.mark.parametrize('threads', [1, 4, None])
def test_counts_are_those_of_the_labels(root: Path, threads: int | None) -> None:
    dataset = CamvidSettings(root=root, split='train').open()
    labels = np.stack([sample.labels for sample in dataset])
    check = check_dataset(dataset, threads=threads)
    assert check.label_space == CAMVID
    assert check.pixels.tolist() == [int((labels == index).sum()) for index in range(len(CAMVID))]
    assert (labels == IGNORE).any()


def test_classes_that_never_occur_are_reported(root: Path) -> None:
    check = check_dataset(CamvidSettings(root=root, split='train').open())
    assert check.absent == tuple(name for name in CAMVID.names if name not in CAMVID_NAMES.values())


def test_progress_counts_every_frame(root: Path) -> None:
    seen: list[tuple[int, int]] = []
    dataset = CamvidSettings(root=root, split='train').open()
    check_dataset(dataset, threads=3, progress=lambda *counts: seen.append(counts))
    assert seen == [(done, 8) for done in range(1, 9)]


@pytest.mark.parametrize('threads', [1, 4])
def test_the_first_frame_that_is_wrong_is_named(root: Path, threads: int) -> None:
    wrong = np.full((48, 64), 42, np.uint8)
    for name in ('006', '003', '005'):
        write_image(root / 'trainannot' / f'{name}.png', wrong)
    seen: list[int] = []
    with pytest.raises(DatasetError, match=r'003\.png has label 42'):
        check_dataset(
            CamvidSettings(root=root, split='train').open(),
            threads=threads,
            progress=lambda done, total: seen.append(done),
        )
    assert seen == [1, 2, 3]


def test_a_frame_that_is_too_small_is_named(root: Path) -> None:
    write_image(root / 'val' / '000.png', np.zeros((20, 40, 3), np.uint8))
    write_image(root / 'valannot' / '000.png', np.zeros((20, 40), np.uint8))
    with pytest.raises(DatasetError, match=r'000 of CamVid val .* is 40x20: frames must be'):
        check_dataset(CamvidSettings(root=root, split='val').open())


def test_labels_of_nothing_are_refused(root: Path) -> None:
    write_image(root / 'valannot' / '000.png', np.full((48, 64), VOID, np.uint8))
    with pytest.raises(DatasetError, match=r'CamVid val \(1 frame\): no pixel has a class'):
        check_dataset(CamvidSettings(root=root, split='val').open())
