# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Limits of sizes: what exceeds them is damaged, or an attack."""

from __future__ import annotations

MIN_SIDE = 32
"""The least width and height of a frame, and of what a network sees of it: its stride."""

MAX_SIDE = 8192
"""The greatest width and height; beyond it a header is corrupt rather than a camera that large."""

MAX_PIXELS = MAX_SIDE**2
"""Pixels of the largest image that is decoded."""

MAX_CHUNK = 1 << 29
"""Bytes that a chunk or a message of a bag may have when it is decompressed: more than twice an
image of the largest size."""

MAX_DOCUMENT = 1 << 22
"""Bytes of a YAML file."""
