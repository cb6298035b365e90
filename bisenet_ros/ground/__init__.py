# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Projects masks to the ground, without ROS: camera model, pose, grid and scan."""

from __future__ import annotations
