# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Writes the reports of a replay: pages, pictures and videos."""

from __future__ import annotations
