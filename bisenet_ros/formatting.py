# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Figures as people read them; everywhere else a share is a fraction from 0 to 1."""

from __future__ import annotations

import math

NOTHING = '–'
"""What stands where there is no figure."""


def percent(share: float | None, digits: int | None = 2) -> str:
    """A fraction from 0 to 1 in percent; None and NaN are nothing.

    Args:
        share: The fraction.
        digits: After the point; None for as few as it takes.
    """
    if share is None or math.isnan(share):
        return NOTHING
    return f'{100 * share:g} %' if digits is None else f'{100 * share:.{digits}f} %'


def points(change: float | None) -> str:
    """A change of a fraction in percentage points, with its sign."""
    return NOTHING if change is None else f'{100 * change:+.2f}'


def number(value: float | None, unit: str = '') -> str:
    """A number with one decimal, and its unit."""
    return NOTHING if value is None else f'{value:.1f} {unit}'.rstrip()


def quantity(value: float | None, unit: str) -> str:
    """A figure in its unit, which is `fraction`, or a word that follows the number."""
    return percent(value) if unit == 'fraction' else number(value, unit)
