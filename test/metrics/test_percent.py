# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Shares in percent, and what there is none of."""

from __future__ import annotations

from bisenet_ros.metrics.percent import percent, percent_text


def test_a_share_has_two_digits_in_percent() -> None:
    assert percent(0.649549) == 64.95
    assert percent_text(percent(0.5)) == '50.00'


def test_what_nowhere_occurs_is_no_number() -> None:
    assert percent(float('nan')) is None
    assert percent_text(None) == '–'
