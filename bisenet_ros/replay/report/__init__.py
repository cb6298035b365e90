# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pages, pictures and videos of what was measured."""

from __future__ import annotations
