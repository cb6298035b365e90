# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sizes in pixels that everything here keeps to."""

from __future__ import annotations

MIN_SIDE = 32
"""The least width and height of a frame, and of what a network sees of it: its stride."""

MAX_SIDE = 8192
"""The greatest width and height; beyond it a header is corrupt rather than a camera that large."""
