# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A ROS graph with the node, a player that publishes frames, and a recorder of its outputs."""

from __future__ import annotations
