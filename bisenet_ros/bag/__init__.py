# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags read and written with rosbags: rosbag2 (MCAP, sqlite3) and ROS 1; no ROS needed."""

from __future__ import annotations
