# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A camera at a rate: what arrives, what is dropped, and which rate is the highest."""

from __future__ import annotations

import threading
import time

import pytest

from bisenet_ros.benchmark.streaming import (
    BISECTIONS,
    MIN_FRAMES,
    Trial,
    highest_sustained,
    stream,
)


def test_every_frame_is_processed_or_dropped() -> None:
    taken: list[float] = []
    trial = stream(taken.append, 400.0, 0.2)
    assert trial.received == 80
    assert len(taken) == len(trial.ages_ms) == trial.received - trial.dropped
    assert taken == sorted(set(taken))
    assert min(trial.ages_ms) >= 0
    figures = trial.figures()
    assert figures['rate_hz'] == 400.0
    assert figures['age_p50_ms'] <= figures['age_p99_ms']


def test_at_overload_the_newest_frame_wins() -> None:
    taken: list[float] = []
    pause = threading.Event()

    def process(due: float) -> None:
        taken.append(due)
        pause.wait(0.02)

    before = time.monotonic()
    trial = stream(process, 1000.0, 0.0)
    assert trial.received == MIN_FRAMES
    assert trial.seconds >= MIN_FRAMES / 1000
    assert trial.dropped == MIN_FRAMES - len(taken) > 0
    assert not trial.sustained
    assert taken[-1] >= before + (MIN_FRAMES - 1) / 1000  # when the last one was due


def test_a_failure_ends_the_camera_too() -> None:
    before = threading.active_count()

    def process(due: float) -> None:
        raise RuntimeError('out of memory')

    with pytest.raises(RuntimeError, match='out of memory'):
        stream(process, 10.0, 60.0)
    assert threading.active_count() == before


def trial(rate: float, capacity: float) -> Trial:
    received = 100
    dropped = max(0, round(received * (1 - capacity / rate)))
    ages = (1.0,) * (received - dropped)
    return Trial(rate, received, dropped, seconds=1.0, ages_ms=ages, cpu_seconds=0.5)


def test_the_highest_sustained_rate_is_found_by_bisection() -> None:
    tried: list[float] = []
    rates: list[float] = []

    def try_rate(rate: float) -> Trial:
        rates.append(rate)
        return trial(rate, capacity=42.0)

    best = highest_sustained(try_rate, unloaded_ms=20.0, advance=lambda: tried.append(rates[-1]))
    assert tried == rates
    assert len(rates) == BISECTIONS
    # With 42 frames processed a second, 5 % are dropped at 44.2; the step is 100 / 2**7.
    assert best.sustained
    assert 44.2 - 1.0 < best.rate < 44.7


def test_where_no_rate_is_sustained_the_lowest_is_told() -> None:
    lowest = highest_sustained(lambda rate: trial(rate, 0.1), 20.0, lambda: None)
    assert not lowest.sustained
    assert lowest.rate == pytest.approx(100 / 2**BISECTIONS)
