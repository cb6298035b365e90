# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How fast the segmenter is on this machine, beside what others would do with the same network."""

from __future__ import annotations
