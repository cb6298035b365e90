# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Defines marks that skip tests if the CPU lacks a feature."""

from __future__ import annotations

import pytest

from bisenet_ros.engine.hardware import cpu_has_bf16

needs_bf16 = pytest.mark.skipif(not cpu_has_bf16(), reason='needs a CPU that multiplies bf16')
