# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Engines: they run the network on a device in a precision, and draw labels from its logits."""

from __future__ import annotations
