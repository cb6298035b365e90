# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Everybody has a turn in each round."""

from __future__ import annotations

import pytest

from bisenet_ros.benchmark.rounds import WARM_UPS, in_turn, percentiles, rounds_in_all


def test_turns_alternate_and_the_first_rounds_do_not_count() -> None:
    turns: list[str] = []
    ends: list[int] = []
    times = in_turn(
        {name: lambda name=name: turns.append(name) for name in ('a', 'b', 'c')},
        rounds=4,
        advance=lambda: ends.append(len(turns)),
    )
    assert turns == ['a', 'b', 'c'] * (WARM_UPS + 4)
    assert ends == list(range(3, len(turns) + 1, 3))
    assert len(ends) == rounds_in_all(4)
    assert list(times) == ['a', 'b', 'c']
    for taken in times.values():
        assert len(taken.wall_ms) == len(taken.cpu_ms) == 4
        assert taken.figures().keys() == {'p50_ms', 'p95_ms', 'p99_ms', 'cpu_ms'}


def test_percentiles() -> None:
    figures = percentiles([float(value) for value in range(101)])
    assert figures == pytest.approx({'p50_ms': 50, 'p95_ms': 95, 'p99_ms': 99})
