# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Segments the frames of a bag, measures the output, checks criteria, compares replays."""

from __future__ import annotations
