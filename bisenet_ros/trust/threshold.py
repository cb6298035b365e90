# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Converts thresholds, 0 to 1, to the values 0 to 255 of confidence and anomaly images."""

from __future__ import annotations

import math


def image_value(threshold: float) -> int:
    """Returns the lowest value of an image, 0 to 255, that reaches a threshold, 0 to 1."""
    # 255 * (51 / 255) may be slightly more than 51, which must not be rounded up to 52.
    return math.ceil(255 * threshold - 1e-6)
