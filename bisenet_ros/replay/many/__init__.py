# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Finds bags, evaluates them in processes or on a cluster, and merges the figures."""

from __future__ import annotations
