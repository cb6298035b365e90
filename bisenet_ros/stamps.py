# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Converts stamps of ROS messages, also negative ones, which rclpy's Time refuses."""

from __future__ import annotations

from typing import Any


def nanoseconds(stamp: Any) -> int:
    """Returns a `builtin_interfaces/Time` of any library as one number."""
    total: int = stamp.sec * 10**9 + stamp.nanosec
    return total
