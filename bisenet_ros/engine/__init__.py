# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Engines: they run the network on a device in a precision, and draw labels from its logits."""

from __future__ import annotations

import os
import sys

# Libraries report to their makers when they are imported: ONNX Runtime to Microsoft, and OpenVINO,
# from a fork of this process, to Google Analytics. OpenVINO does without the package that reports.
os.environ.setdefault('ORT_DISABLE_TELEMETRY', '1')
sys.modules.setdefault('openvino_telemetry', None)  # type: ignore[arg-type]
