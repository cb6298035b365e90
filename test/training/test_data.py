# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which samples come when: by seed and step alone, whoever shares the work."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from small_datasets import make_cityscapes_tree

from bisenet_ros.errors import UserError
from bisenet_training.augment import Augmentation, AugmentationSettings
from bisenet_training.data import AugmentedSamples, Plan, Shard, prepare_batches
from bisenet_training.datasets import Dataset
from bisenet_training.datasets.camvid import CamvidSettings
from bisenet_training.datasets.cityscapes import CityscapesSettings
from bisenet_training.distributed import launch
from bisenet_training.training_data import TrainingData


@pytest.fixture
def datasets(tmp_path: Path) -> list[Dataset]:
    root = make_cityscapes_tree(tmp_path, train=5, val=3)
    return [CityscapesSettings(root=root, split=split).open() for split in ('train', 'val')]


def test_shares_are_kept_and_no_frame_comes_twice_before_all_have_come(
    datasets: list[Dataset],
) -> None:
    plan = Plan(datasets, [3, 1], 4000, seed=1)
    drawn = [plan[sample] for sample in range(len(plan))]
    of_second = [index for dataset, index in drawn if dataset is datasets[1]]
    assert len(of_second) / len(plan) == pytest.approx(0.25, abs=0.03)
    for dataset in datasets:
        frames = [index for source, index in drawn if source is dataset]
        for start in range(0, len(frames) - len(dataset), len(dataset)):
            assert sorted(frames[start : start + len(dataset)]) == list(range(len(dataset)))
        counts = Counter(frames)
        assert max(counts.values()) - min(counts.values()) <= 1
    assert plan.name_of(0).startswith('smallville/smallville_000000_')


def test_a_longer_plan_begins_like_a_shorter_one(datasets: list[Dataset]) -> None:
    short, long = (Plan(datasets, [1, 1], samples, seed=3) for samples in (40, 400))
    assert [short[n] for n in range(40)] == [long[n] for n in range(40)]
    other = Plan(datasets, [1, 1], 40, seed=4)
    assert [short[n] for n in range(40)] != [other[n] for n in range(40)]


def test_processes_share_the_batch_that_one_would_have() -> None:
    alone = list(Shard(8, 2, 0, 1).batches(3, 5))
    assert alone == [[24, 25, 26, 27], [28, 29, 30, 31], [32, 33, 34, 35], [36, 37, 38, 39]]
    shared = zip(*(Shard(8, 2, rank, 2).batches(3, 5) for rank in (0, 1)), strict=True)
    assert [first + second for first, second in shared] == alone


def test_a_batch_falls_into_equal_parts() -> None:
    with pytest.raises(UserError, match='4 processes and 2 parts: batch must be a multiple of 8'):
        Shard(12, 2, 0, 4)


@pytest.mark.parametrize('workers', [0, 1])
def test_batches_follow_from_seed_and_step_alone(datasets: list[Dataset], workers: int) -> None:
    plan = Plan(datasets, [1, 1], 40, seed=0)
    samples = AugmentedSamples(plan, Augmentation(AugmentationSettings()), (64, 32), seed=0)
    shard = Shard(4, 1, 0, 1)
    with prepare_batches(samples, shard.batches(0, 4), 0, pin_memory=False) as batches:
        whole = list(batches)
    with prepare_batches(samples, shard.batches(2, 4), workers, pin_memory=False) as batches:
        rest = list(batches)
    assert len(whole) == 4
    images, labels = whole[2]
    assert images.shape == (4, 32, 64, 3)
    assert labels.shape == (4, 32, 64)
    for before, after in zip(whole[2:], rest, strict=True):
        assert all(first.equal(second) for first, second in zip(before, after, strict=True))
    assert not whole[0][0].equal(whole[1][0])
    other = AugmentedSamples(plan, samples.augmentation, (64, 32), seed=1)
    assert not np.array_equal(other[0][0], samples[0][0])


def test_pixels_of_some_classes_are_copied_from_other_frames(datasets: list[Dataset]) -> None:
    car = datasets[0].label_space.names.index('car')
    plan = Plan(datasets[:1], [1], 20, seed=0)
    settings = AugmentationSettings(copy_paste=1, pasted_classes=('car',))
    samples = AugmentedSamples(plan, Augmentation(settings), (64, 32), seed=0, pasted=(car,))
    never = Augmentation(AugmentationSettings())
    without = AugmentedSamples(plan, never, (64, 32), seed=0, pasted=(car,))
    pasted = 0
    for number in range(len(plan)):
        (image, labels), (image_before, labels_before) = samples[number], without[number]
        changed = labels != labels_before
        assert (labels[changed] == car).all()
        # What is not a car has the pixels of before.
        others = labels != car
        np.testing.assert_array_equal(image[others], image_before[others])
        pasted += changed.sum()
    assert pasted > 0


def test_class_shares_are_of_the_training_data_even_if_descriptions_are_equal(
    tmp_path: Path,
) -> None:
    opened = []
    for name, classes in (('a', [0, 0]), ('b', [0, 1]), ('c', [2, 2])):
        labels = np.repeat(np.uint8(classes), 32 * 32).reshape(32, 64)
        for folder in ('train', 'trainannot'):
            (tmp_path / name / folder).mkdir(parents=True)
            assert cv2.imwrite(str(tmp_path / name / folder / '0.png'), labels)
        opened.append(CamvidSettings(root=tmp_path / name, split='train').open())
    first, second, held_out = opened
    assert first.description == second.description == held_out.description
    data = TrainingData((first, second), (0.75, 0.25), held_out)
    fabric, known = launch('cpu', 'fp32'), tmp_path / 'data.json'
    expected = [0.75 + 0.25 / 2, 0.25 / 2, *9 * [0.0]]
    assert data.class_shares(fabric, known).tolist() == expected
    assert len(json.loads(known.read_text())) == 3
    assert data.class_shares(fabric, known).tolist() == expected  # as a resumed run reads them
