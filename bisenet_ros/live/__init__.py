# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A ROS graph of ours: its processes, what plays frames to it, what records its outputs."""

from __future__ import annotations
