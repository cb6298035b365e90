# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Shares as people read them: in percent, with two digits."""

from __future__ import annotations

import math


def percent(share: float) -> float | None:
    """A share of 0 to 1 in percent; None for NaN, what nowhere occurs."""
    return None if math.isnan(share) else round(100 * share, 2)


def percent_text(value: float | None) -> str:
    """What `percent` gave, for a table or a line."""
    return '–' if value is None else f'{value:.2f}'
