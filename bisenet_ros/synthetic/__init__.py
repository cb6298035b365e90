# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A synthetic drive through a town: frames with exact labels, reproducible from a seed."""

from __future__ import annotations
