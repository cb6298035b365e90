# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Durations of the recent past."""

from __future__ import annotations

import pytest

from bisenet_ros.node.statistics import Durations


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
