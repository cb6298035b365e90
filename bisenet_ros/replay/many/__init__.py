# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Many bags: found, shared out to processes or a cluster, counted together."""

from __future__ import annotations
