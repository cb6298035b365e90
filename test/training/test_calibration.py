# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which error rates can be stated: the tests against exact probabilities, and on random frames."""

from __future__ import annotations

from math import comb, e
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bisenet_ros.drivable import without_small_areas
from bisenet_ros.label_space import IGNORE
from bisenet_training.calibration import (
    LEVELS,
    MaxLogitStatistics,
    lowest_level,
    mask_errors,
    min_frames,
    p_value,
)


def frame(seed: int) -> tuple[Any, np.ndarray]:
    """A segmentation with drivable classes 1 and 2, and its truth with void."""
    rng = np.random.default_rng(seed)
    labels = rng.choice([0, 1, 2, IGNORE], (30, 40)).astype(np.uint8)
    confidence = rng.integers(0, 256, (30, 40), np.uint8)
    truth = rng.choice([0, 1, 2, 3, IGNORE], (30, 40)).astype(np.uint8)
    return SimpleNamespace(labels=labels, confidence=confidence), truth


@pytest.mark.parametrize('min_area', [0.0, 0.01])
def test_rates_are_counted(min_area: float) -> None:
    found, truth = frame(0)
    errors = mask_errors(found, truth, (1, 2), min_area)
    assert errors is not None
    rates, kept = errors
    for level, rate in zip(LEVELS, rates, strict=True):
        mask = np.isin(found.labels, (1, 2)) & (found.confidence >= level)
        mask = without_small_areas(np.where(mask, 255, 0).astype(np.uint8), min_area) > 0
        called = mask & (truth != IGNORE)
        false = called & (truth != 1) & (truth != 2)
        assert rate == (false.sum() / called.sum() if called.any() else 0.0)
    assert kept[0] >= kept[-1]
    for level, share in zip(LEVELS, kept, strict=True):
        mask = np.isin(found.labels, (1, 2)) & (found.confidence >= level)
        mask = without_small_areas(np.where(mask, 255, 0).astype(np.uint8), min_area) > 0
        true = np.isin(truth, (1, 2))
        assert share == (mask & true).sum() / true.sum()


def test_a_mask_without_a_known_truth_is_not_taken_for_right() -> None:
    found, truth = frame(0)
    mask = np.isin(found.labels, (1, 2))
    nothing = np.full_like(truth, IGNORE)
    assert mask_errors(found, nothing, (1, 2), 0.0) is None
    assert mask_errors(found, np.where(mask, IGNORE, truth), (1, 2), 0.0) is None
    # Without a mask there is no error, but only if something of the frame is known.
    empty = SimpleNamespace(labels=np.zeros_like(truth), confidence=found.confidence)
    assert mask_errors(empty, nothing, (1, 2), 0.0) is None
    errors = mask_errors(empty, truth, (1, 2), 0.0)
    assert errors is not None
    assert (errors.false_drivable == 0).all()
    # What is left of a mask at a high level may be what the truth does not know.
    doubtful = np.where(mask & (found.confidence >= 100), IGNORE, 1).astype(np.uint8)
    errors = mask_errors(found, doubtful, (1, 2), 0.0)
    assert errors is not None
    assert [level for level, rate in zip(LEVELS, errors.false_drivable, strict=True) if rate] == (
        [level for level in LEVELS if level >= 100]
    )
    assert (errors.false_drivable[LEVELS.index(100) :] == 1).all()


@pytest.mark.parametrize(
    ('limit', 'confidence'), [(0.05, 0.95), (0.01, 0.95), (0.1, 0.5), (0.55, 0.55)]
)
def test_so_many_frames_are_needed_without_any_error(limit: float, confidence: float) -> None:
    fewest = min_frames(limit, confidence)
    assert p_value(0.0, fewest, limit) <= 1 - confidence < p_value(0.0, fewest - 1, limit)
    assert p_value(0.0, fewest, limit) == pytest.approx((1 - limit) ** fewest)


def test_a_limit_below_the_resolution_of_floats_needs_more_frames_than_anybody_has() -> None:
    assert min_frames(1e-17, 0.95) > 1e17


@pytest.mark.parametrize('wrong', [0, 1, 3, 9, 20, 50])
def test_the_test_is_never_surer_than_the_exact_one(wrong: int) -> None:
    """For rates of 0 or 1, the exact p-value is a binomial tail."""
    frames, limit = 100, 0.2
    exact = sum(comb(frames, k) * limit**k * (1 - limit) ** (frames - k) for k in range(wrong + 1))
    found = p_value(wrong / frames, frames, limit)
    assert exact <= found * (1 + 1e-9) <= 1 + 1e-9
    assert found <= e * exact * (1 + 1e-9)  # Bentkus


def test_the_lowest_level_before_the_first_that_fails_is_found() -> None:
    means = np.linspace(0.3, 0.0, len(LEVELS))
    rates = np.tile(means, (1000, 1))
    level = lowest_level(rates, 0.1, 0.95)
    assert level is not None
    passing = [
        each for each, mean in zip(LEVELS, means, strict=True) if p_value(mean, 1000, 0.1) <= 0.05
    ]
    assert level == min(passing) > 0
    rates[:, -3] = 0.5  # a strict level that fails: what is below it is not tested
    assert lowest_level(rates, 0.1, 0.95) == LEVELS[-2]
    rates[:, -1] = 0.5
    assert lowest_level(rates, 0.1, 0.95) is None


def test_statements_hold_as_often_as_they_say() -> None:
    """Of many calibrations on random frames, at most one in ten may state a rate that is wrong."""
    rng = np.random.default_rng(0)
    truth = np.linspace(0.2, 0.02, len(LEVELS))  # the expected rate at each level
    wrong = 0
    for _ in range(300):
        rates = (rng.random((200, 1)) < truth).astype(float)  # the worst spread: all or nothing
        level = lowest_level(rates, 0.1, 0.9)
        wrong += level is not None and truth[LEVELS.index(level)] > 0.1
    assert wrong <= 30


def test_statistics_are_those_of_the_highest_logit_by_class() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2, 4, 6, 8)).astype(np.float32)
    logits[:, 3] = -100.0  # never the highest
    statistics = MaxLogitStatistics(4, 'noise (2 frames)')
    for one in logits:
        statistics.add(one)
    found = statistics.result()
    labels, highest = logits.argmax(axis=1), logits.max(axis=1)
    for index in range(3):
        values = highest[labels == index]
        assert found.mean[index] == pytest.approx(values.mean(), rel=1e-5)
        assert found.std[index] == pytest.approx(values.std(), rel=1e-4)
    assert found.mean[3] == pytest.approx(highest.mean(), rel=1e-5)
    assert found.std[3] == pytest.approx(highest.std(), rel=1e-4)
    assert found.data == 'noise (2 frames)'
