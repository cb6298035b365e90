# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Many bags: find them, evaluate them in processes or on a cluster, merge the figures."""

from __future__ import annotations
