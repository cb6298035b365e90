# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The ROS side: the lifecycle node `segmenter` and its parts, one concept per module."""

from __future__ import annotations
