# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""IoU and its bootstrap against `ConfusionMatrix`, all resamples of few frames, and the normal."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest

from bisenet_ros.metrics import ConfusionMatrix
from bisenet_ros.metrics.confusion import Overlaps, group_overlaps, iou, mean_iou, overlaps
from bisenet_ros.replay.measure.bootstrap import interval, resampled_iou

CLASSES = 4


def matrices(count: int, seed: int) -> list[ConfusionMatrix]:
    """Random frames; class 3 is only in some, and some pixels have no label or no truth."""
    random = np.random.default_rng(seed)
    made = []
    for index in range(count):
        ids = np.array([0, 1, 2, 255] if index % 2 else [0, 1, 2, 3, 255], np.uint8)
        labels, truth = random.choice(ids, (2, 12, 9))
        made.append(ConfusionMatrix(CLASSES))
        made[-1].update(labels, truth)
    return made


def counts_of(frames: list[ConfusionMatrix]) -> npt.NDArray[np.int64]:
    return np.stack([frame.counts for frame in frames])


def summed(frames: list[ConfusionMatrix]) -> ConfusionMatrix:
    total = ConfusionMatrix(CLASSES)
    for frame in frames:
        total.add(frame)
    return total


def test_iou_is_that_of_the_confusion_matrix() -> None:
    frames = matrices(6, seed=0)
    counts = counts_of(frames)
    for frame, by_class, whole in zip(
        frames, iou(overlaps(counts)), mean_iou(iou(overlaps(counts))), strict=True
    ):
        np.testing.assert_array_equal(by_class, frame.iou())
        assert whole == pytest.approx(frame.miou(), abs=1e-15)
    total = summed(frames)
    np.testing.assert_array_equal(iou(overlaps(counts).sum()), total.iou())
    drivable = iou(group_overlaps(counts, (0, 2)).sum())
    np.testing.assert_array_equal(drivable, [total.group_iou((0, 2))])


def test_nothing_counted_is_nothing_and_not_zero() -> None:
    nothing = np.zeros((2, CLASSES, CLASSES + 1), np.int64)
    assert np.isnan(mean_iou(iou(overlaps(nothing)))).all()
    assert interval(np.array([np.nan, np.nan])) is None
    assert interval(np.array([np.nan, 3.0])) == (3.0, 3.0)


def test_resamples_are_those_that_there_are() -> None:
    # Every resample of three frames, by summing the confusion matrices themselves.
    frames_a, frames_b = matrices(3, seed=1), matrices(3, seed=2)
    differences = [
        summed([frames_b[i] for i in picks]).miou() - summed([frames_a[i] for i in picks]).miou()
        for picks in itertools.product(range(3), repeat=3)
    ]
    resamples = 40_000
    a, b = resampled_iou(
        overlaps(counts_of(frames_a)), overlaps(counts_of(frames_b)), resamples=resamples
    )
    assert a.shape == (resamples, CLASSES)
    found = (mean_iou(b) - mean_iou(a)).round(9)
    expected, times = np.unique(np.round(differences, 9), return_counts=True)
    values, counts = np.unique(found, return_counts=True)
    np.testing.assert_array_equal(values, expected)
    # Five standard deviations of a binomial distribution.
    share = times / 27
    tolerance = 5 * np.sqrt(share * (1 - share) / resamples)
    assert (np.abs(counts / resamples - share) < tolerance).all()


def test_interval_is_that_of_the_mean_of_differences() -> None:
    # One class whose union is 1000 pixels in each frame: IoU is a mean, which is nearly normal.
    random = np.random.default_rng(3)
    unions = np.full((400, 1), 1000)
    hits = random.integers(400, 600, (400, 1))
    change = random.integers(-50, 80, (400, 1))
    a, b = resampled_iou(Overlaps(hits, unions), Overlaps(hits + change, unions), resamples=20_000)
    found = interval((b - a)[:, 0])
    assert found is not None
    differences = change / 1000
    half = 1.96 * differences.std() / np.sqrt(400)
    expected = (differences.mean() - half, differences.mean() + half)
    assert found == pytest.approx(expected, abs=0.03 * half * 2)
    # Not paired, the spread of the frames themselves would count.
    assert half < 1.96 * (hits / 1000).std() / np.sqrt(400)


def test_a_hard_frame_is_hard_for_both() -> None:
    frames = overlaps(counts_of(matrices(20, seed=4)))
    a, b = resampled_iou(frames, frames, resamples=100)
    np.testing.assert_array_equal(a, b)
    assert np.nanstd(a[:, 0]) > 0


def test_blocks_are_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = overlaps(counts_of(matrices(10, seed=5)))
    whole = resampled_iou(frames, frames, resamples=25)[0]
    # Blocks of two resamples, the last one of one.
    monkeypatch.setattr('bisenet_ros.replay.measure.bootstrap._BLOCK', 20)
    np.testing.assert_array_equal(resampled_iou(frames, frames, resamples=25)[0], whole)
    assert (resampled_iou(frames, frames, resamples=25, seed=1)[0] != whole).any()
