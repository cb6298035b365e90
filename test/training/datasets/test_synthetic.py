# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The synthetic drive as a data set."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from bisenet_ros.label_space import CAMVID
from bisenet_ros.synthetic.drive import SyntheticDrive
from bisenet_training.datasets import synthetic
from bisenet_training.datasets.synthetic import FRAMES_PER_STREET, SyntheticFrames

SIZE = (96, 64)
COUNT = FRAMES_PER_STREET + 1


@pytest.fixture(scope='module')
def dataset() -> SyntheticFrames:
    return SyntheticFrames(COUNT, 1000, SIZE)


def test_frames_are_those_of_the_drive(dataset: SyntheticFrames) -> None:
    assert len(dataset) == COUNT
    assert dataset.label_space == CAMVID
    assert dataset.description == f'synthetic drive from seed 1000 ({COUNT} frames)'
    sample = dataset[COUNT - 1]
    assert sample.name == dataset.name_of(COUNT - 1)
    name, _, moment = sample.name.partition(', frame ')
    assert name == 'synthetic street 1001'
    image, labels = SyntheticDrive(1001, SIZE).frame(int(moment))
    np.testing.assert_array_equal(sample.image, image)
    np.testing.assert_array_equal(sample.labels, labels)


def test_frames_are_different_and_rendered_once(dataset: SyntheticFrames) -> None:
    with ThreadPoolExecutor(4) as pool:
        samples = list(pool.map(dataset.__getitem__, [*range(COUNT)] * 2))
    assert len({sample.name for sample in samples}) == COUNT
    for first, second in zip(samples[:COUNT], samples[COUNT:], strict=True):
        assert first is second


def test_frames_that_are_prepared_are_the_same(
    dataset: SyntheticFrames, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = SyntheticFrames(COUNT, 1000, SIZE)
    done: list[tuple[int, int]] = []
    prepared.prepare(lambda *progress: done.append(progress))
    assert done == [(FRAMES_PER_STREET, COUNT), (COUNT, COUNT)]
    monkeypatch.setattr(synthetic, 'SyntheticDrive', None)  # nothing is rendered any more
    for sample, expected in zip(prepared, dataset, strict=True):
        assert sample.name == expected.name
        np.testing.assert_array_equal(sample.image, expected.image)
        np.testing.assert_array_equal(sample.labels, expected.labels)


def test_there_is_an_end(dataset: SyntheticFrames) -> None:
    for index in (-1, COUNT):
        with pytest.raises(IndexError, match=f'no frame {index} among {COUNT}'):
            dataset[index]
        with pytest.raises(IndexError):
            dataset.name_of(index)
