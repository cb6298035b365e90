# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The package's version; package.xml carries the same."""

from __future__ import annotations

VERSION = '0.1.0'
