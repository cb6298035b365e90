# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Formats figures and names for display. Fractions, 0 to 1 everywhere else, become percentages."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

NOTHING = '–'
"""Placeholder for a missing figure."""

COLORS = ('#2f7ed8', '#e07b1a', '#2a9d6f', '#b0489e', '#7a6ff0', '#8a7a2f')
"""Colours of the lines and bars of a chart."""


def percent(share: float | None, digits: int | None = 2) -> str:
    """Formats a fraction from 0 to 1 in percent; a placeholder for None and NaN.

    Args:
        share: The fraction.
        digits: Decimals; None for as few as possible.
    """
    if share is None or math.isnan(share):
        return NOTHING
    return f'{100 * share:g} %' if digits is None else f'{100 * share:.{digits}f} %'


def points(change: float | None) -> str:
    """Formats a change of a fraction in percentage points, with its sign."""
    return NOTHING if change is None else f'{100 * change:+.2f}'


def number(value: float | None, unit: str = '') -> str:
    """Formats a number with one decimal and its unit."""
    return NOTHING if value is None else f'{value:.1f} {unit}'.rstrip()


def counted(count: int, noun: str) -> str:
    """Formats a count and what is counted: '1 frame', '2 frames'."""
    return f'{count} {noun}' if count == 1 else f'{count} {noun}s'


def quantity(value: float | None, unit: str) -> str:
    """Formats a figure with its unit; a fraction becomes percent."""
    return percent(value) if unit == 'fraction' else number(value, unit)


def percentiles(milliseconds: Mapping[str, float]) -> str:
    """Formats the figures p50, p95 and p99 of durations."""
    return ' / '.join(f'{milliseconds[p]:.0f}' for p in ('p50', 'p95', 'p99')) + ' ms'


def distinct(names: Iterable[str]) -> list[str]:
    """Returns the names, each with a number if an earlier one has taken it: 'a', 'a_2'."""
    found: list[str] = []
    for stem in names:
        name, copy = stem, 1
        while name in found:
            copy += 1
            name = f'{stem}_{copy}'
        found.append(name)
    return found
