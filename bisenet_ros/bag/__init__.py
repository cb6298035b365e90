# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reads and writes bags with rosbags: rosbag2 (MCAP, sqlite3) and ROS 1; needs no ROS."""

from __future__ import annotations
