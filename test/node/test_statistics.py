# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Durations of the recent past, and whether frames arrive as they did before."""

from __future__ import annotations

import pytest

from bisenet_ros.node.statistics import Arrivals, Durations


def test_percentiles_are_interpolated() -> None:
    durations = Durations()
    for sample in range(101):
        durations.add(float(sample))
    assert durations.percentiles() == pytest.approx((50, 95, 99))


def test_nothing_without_samples() -> None:
    durations = Durations()
    assert durations.percentiles() is None
    durations.add(1.0)
    durations.clear()
    assert durations.percentiles() is None


def test_only_the_last_samples_count() -> None:
    durations = Durations(size=2)
    for sample in (100.0, 1.0, 1.0):
        durations.add(sample)
    assert durations.percentiles() == (1.0, 1.0, 1.0)


def test_a_rate_that_drops_is_told_until_it_is_the_usual_one() -> None:
    arrivals = Arrivals()
    for _ in range(10):
        arrivals.add(1.0, received=30, lost=0)
        assert not arrivals.slow
    told = 0
    for _ in range(60):
        arrivals.add(1.0, received=10, lost=0)
        told += arrivals.slow
    assert 5 < told < 60
    assert not arrivals.slow
    assert not arrivals.lossy
    assert arrivals.usual_rate == 10.0


def test_a_rate_between_half_and_nine_tenths_does_not_change_what_is_said() -> None:
    arrivals = Arrivals()
    for _ in range(30):
        arrivals.add(1.0, received=30, lost=0)
    for received, slow in ((20, False), (8, True), (20, True), (29, False), (20, False)):
        for _ in range(3):
            arrivals.add(1.0, received=received, lost=0)
        assert arrivals.slow is slow, received


def test_losses_are_told_below_half_until_nine_tenths_arrive() -> None:
    arrivals = Arrivals()
    for received, lost, lossy in (
        (10, 0, False),
        (5, 5, False),
        (4, 6, True),
        (0, 0, True),  # while nothing arrives, nothing is known to be better
        (8, 2, True),
        (9, 1, False),
        (5, 5, False),
    ):
        for _ in range(3):
            arrivals.add(1.0, received, lost)
        assert arrivals.lossy is lossy, (received, lost)


def test_of_few_frames_no_losses_are_told() -> None:
    arrivals = Arrivals()
    for _ in range(3):
        arrivals.add(1.0, received=1, lost=2)
    assert not arrivals.lossy


def test_a_pause_is_no_drop_of_the_rate() -> None:
    arrivals = Arrivals()
    for received in (30, 30, 30, 12, 0, 0, 0, 14, 30):
        arrivals.add(1.0, received=received, lost=0)
        assert not arrivals.slow
