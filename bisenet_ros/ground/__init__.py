# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a mask to the ground: camera model, pose, tables, grid and scan; geometry without ROS."""

from __future__ import annotations
