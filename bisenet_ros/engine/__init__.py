# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How the network runs: on which device, in which precision, and how its logits become labels."""

from __future__ import annotations
