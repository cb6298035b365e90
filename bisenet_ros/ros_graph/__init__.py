# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Processes of one ROS graph: started together, listened to, and ended together."""

from __future__ import annotations
