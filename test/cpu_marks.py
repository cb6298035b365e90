# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Defines marks that skip tests where the CPU, or the C library for it, lacks a feature."""

from __future__ import annotations

import pytest

from bisenet_ros.engine.hardware import cpu_has_bf16
from bisenet_ros.engine.winograd import kernel_for

needs_bf16 = pytest.mark.skipif(not cpu_has_bf16(), reason='needs a CPU that multiplies bf16')

needs_winograd = pytest.mark.skipif(
    kernel_for('fp32') is None, reason='needs the C library and AVX2'
)
