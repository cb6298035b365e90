# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measures the speed of the segmenter on this machine, beside other runtimes."""

from __future__ import annotations
