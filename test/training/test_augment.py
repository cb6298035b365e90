# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Augmentation moves image and labels alike, to where geometry says."""

from __future__ import annotations

import numpy as np
import pytest

from bisenet_ros.label_space import IGNORE
from bisenet_training.augment import Augmentation
from bisenet_training.datasets import Sample

HEIGHT, WIDTH = 90, 120
UNCHANGED = Augmentation(min_scale=1, max_scale=1, aspect=1, balanced=0, jitter=0)


@pytest.fixture
def sample() -> Sample:
    """An image in which every pixel tells its place and its label."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH].astype(np.uint8)
    labels = ((rows // 30) * 4 + columns // 30).astype(np.uint8)  # 12 squares of 30 x 30
    return Sample('places', np.stack((columns, rows, labels * 20), axis=2), labels)


@pytest.mark.parametrize('seed', range(20))
def test_without_changes_a_crop_is_a_window_or_its_mirror(sample: Sample, seed: int) -> None:
    image, labels = UNCHANGED(sample, (64, 48), np.random.default_rng(seed))
    assert image.shape == (48, 64, 3)
    assert labels.shape == (48, 64)
    steps = np.diff(image[0, :, 0].astype(int))
    assert set(steps) in ({1}, {-1})
    # A crop may begin between two pixels: a place is known to half a pixel.
    places = sample.labels[image[..., 1].astype(int), image[..., 0].astype(int)]
    assert (labels != places).mean() < 0.06


@pytest.mark.parametrize('seed', range(40))
def test_image_and_labels_stay_together(sample: Sample, seed: int) -> None:
    rng = np.random.default_rng(seed)
    image, labels = Augmentation(jitter=0)(sample, (96, 96), rng)
    # Away from borders of squares and of the frame, the blue channel tells the label.
    inside = np.ones_like(labels, bool)
    for axis in (0, 1):
        for step in range(-4, 5):
            inside &= np.roll(labels, step, axis) == labels
    inside &= labels != IGNORE
    assert inside.any()
    np.testing.assert_allclose(image[..., 2][inside], labels[inside] * 20.0, atol=2)


def test_outside_the_frame_nothing_is_labelled(sample: Sample) -> None:
    small = Augmentation(min_scale=0.5, max_scale=0.5, aspect=1, balanced=0, jitter=0)
    _, labels = small(sample, (128, 128), np.random.default_rng(0))
    share = (labels != IGNORE).mean()
    assert share == pytest.approx(HEIGHT * WIDTH / 4 / 128**2, rel=0.05)


def test_balanced_crops_show_rare_classes_more_often() -> None:
    labels = np.zeros((200, 200), np.uint8)
    labels[3:9, 190:196] = 1
    rare = Sample('rare', np.zeros((200, 200, 3), np.uint8), labels)

    def share(balanced: float) -> float:
        augment = Augmentation(min_scale=1, max_scale=1, aspect=1, balanced=balanced, jitter=0)
        rng = np.random.default_rng(0)
        return float(np.mean([(augment(rare, (64, 64), rng)[1] == 1).any() for _ in range(200)]))

    assert share(1.0) > 0.4 > 2 * share(0.0)


def test_the_same_chance_gives_the_same_view(sample: Sample) -> None:
    views = [Augmentation()(sample, (64, 64), np.random.default_rng(5)) for _ in range(2)]
    for first, second in zip(*views, strict=True):
        np.testing.assert_array_equal(first, second)


def test_no_labelled_pixel_is_no_trouble() -> None:
    void = Sample('void', np.zeros((50, 50, 3), np.uint8), np.full((50, 50), IGNORE, np.uint8))
    for seed in range(5):
        _, labels = Augmentation()(void, (32, 32), np.random.default_rng(seed))
        assert (labels == IGNORE).all()
