# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Replay evaluation: a bag through the code that drives, and what that would have done."""

from __future__ import annotations
