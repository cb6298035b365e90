# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The confusion matrix against counting by hand."""

from __future__ import annotations

import numpy as np
import pytest

from bisenet_ros.errors import UserError
from bisenet_ros.label_space import IGNORE
from bisenet_ros.metrics import ConfusionMatrix


def test_iou_equals_counting_sets_of_pixels() -> None:
    rng = np.random.default_rng(0)
    matrix = ConfusionMatrix(5)
    truths = rng.choice([0, 1, 2, 3, IGNORE], (3, 20, 30)).astype(np.uint8)
    labels = rng.choice([0, 1, 2, 3, IGNORE], (3, 20, 30)).astype(np.uint8)
    for label, truth in zip(labels, truths, strict=True):
        matrix.update(label, truth)
    known = truths != IGNORE
    for class_id in range(4):
        predicted, true = (labels == class_id) & known, (truths == class_id)
        assert matrix.iou()[class_id] == (predicted & true).sum() / (predicted | true).sum()
    assert np.isnan(matrix.iou()[4])
    assert matrix.miou() == pytest.approx(np.nanmean(matrix.iou()))
    assert matrix.pixel_accuracy() == pytest.approx((labels == truths)[known].mean())
    shares = [(truths[known] == class_id).mean() for class_id in range(4)]
    assert matrix.frequency_weighted_iou() == pytest.approx(shares @ matrix.iou()[:4])
    group_predicted, group_true = np.isin(labels, (1, 3)) & known, np.isin(truths, (1, 3))
    assert matrix.group_iou((1, 3)) == (
        (group_predicted & group_true).sum() / (group_predicted | group_true).sum()
    )


def test_nothing_counted_is_not_a_number_and_not_zero() -> None:
    matrix = ConfusionMatrix(2)
    matrix.update(np.zeros((2, 2), np.uint8), np.full((2, 2), IGNORE, np.uint8))
    assert np.isnan(matrix.miou())
    assert np.isnan(matrix.frequency_weighted_iou())
    assert np.isnan(matrix.pixel_accuracy())
    assert np.isnan(matrix.group_iou((0,)))


def test_counts_are_exact_beyond_float32() -> None:
    matrix = ConfusionMatrix(1)
    big = np.zeros((4096, 4096), np.uint8)
    for _ in range(2):
        matrix.update(big, big)
    small = np.zeros((1, 1), np.uint8)
    matrix.update(small, small)
    assert matrix.counts.dtype == np.int64
    assert matrix.counts.sum() == 2 * 4096**2 + 1


def test_wrong_input_is_named() -> None:
    matrix = ConfusionMatrix(3)
    good = np.zeros((2, 4), np.uint8)
    with pytest.raises(UserError, match='labels are 4x2, but the ground truth is 2x4'):
        matrix.update(good, good.T)
    with pytest.raises(UserError, match='ground truth has id 7'):
        matrix.update(good, np.full((2, 4), 7, np.uint8))
    with pytest.raises(UserError, match='prediction has id 3'):
        matrix.update(np.full((2, 4), 3, np.uint8), good)
