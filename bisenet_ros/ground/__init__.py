# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Geometry without ROS: from a mask to the ground, with camera model, pose, grid and scan."""

from __future__ import annotations
