# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Replay evaluation: runs the frames of a bag through the node's code, and measures the results."""

from __future__ import annotations
