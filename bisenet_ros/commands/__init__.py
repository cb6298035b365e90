# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the verbs of the command line do, one module each; `bisenet_ros.cli` is their roof."""

from __future__ import annotations
