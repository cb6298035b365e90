# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Figures for people, and what there is none of."""

from __future__ import annotations

import math

from bisenet_ros.formatting import (
    counted,
    distinct,
    number,
    percent,
    percentiles,
    points,
    quantity,
)


def test_a_fraction_is_shown_in_percent() -> None:
    assert percent(0.649549) == '64.95 %'
    assert percent(0.649549, 0) == '65 %'
    assert percent(0.025, None) == '2.5 %'
    assert percent(None) == percent(math.nan) == '–'


def test_a_change_has_a_sign() -> None:
    assert points(0.0123) == '+1.23'
    assert points(-0.0123) == '-1.23'
    assert points(None) == '–'


def test_what_is_counted_is_in_the_plural() -> None:
    assert [counted(count, 'frame') for count in range(3)] == ['0 frames', '1 frame', '2 frames']


def test_a_number_has_its_unit() -> None:
    assert number(12.34, 'Hz') == '12.3 Hz'
    assert number(12.34) == '12.3'
    assert number(None, 'Hz') == '–'


def test_a_figure_is_shown_in_its_unit() -> None:
    assert quantity(0.5, 'fraction') == '50.00 %'
    assert quantity(0.5, 'px') == '0.5 px'
    assert quantity(None, 'px') == '–'


def test_percentiles_are_shown_in_order() -> None:
    assert percentiles({'p99': 20.4, 'p50': 7.6, 'p95': 12.0}) == '8 / 12 / 20 ms'


def test_names_that_are_taken_get_a_number() -> None:
    names = ['a', 'b', 'a', 'a', 'a_2', 'b']
    assert distinct(names) == ['a', 'b', 'a_2', 'a_3', 'a_2_2', 'b_2']
