# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Trained networks as ONNX, OpenVINO and TorchScript files, and such files at work."""

from __future__ import annotations
