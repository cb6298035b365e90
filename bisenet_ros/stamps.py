# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Converts stamps of ROS messages, also negative ones, which rclpy's Time refuses."""

from __future__ import annotations

from typing import Any

_FIRST_SECOND, _LAST_SECOND, _LAST_NANOSECOND = -(2**31), 2**31 - 1, 2**32 - 1


def nanoseconds(stamp: Any) -> int:
    """Returns a `builtin_interfaces/Time` of any library as one number."""
    total: int = stamp.sec * 10**9 + stamp.nanosec
    return total


def seconds_and_nanoseconds(stamp: int) -> tuple[int, int]:
    """Returns the fields `sec` and `nanosec` of a stamp in nanoseconds; inverts `nanoseconds`.

    A stamp that does not fit into the fields becomes the nearest one that does.
    """
    seconds = max(_FIRST_SECOND, min(stamp // 10**9, _LAST_SECOND))
    return seconds, max(0, min(stamp - seconds * 10**9, _LAST_NANOSECOND))
