# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The verbs of the command line, one module each; `bisenet_ros.cli` declares their options."""

from __future__ import annotations
