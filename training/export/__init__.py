# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Exports networks to ONNX, OpenVINO and TorchScript, and runs exported files."""

from __future__ import annotations
