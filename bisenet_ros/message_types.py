# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Finds message types of ROS 2 that may not be installed."""

from __future__ import annotations

import importlib
from typing import Any


def optional_message(package: str, name: str) -> Any:
    """Returns a message type by name; None if its package is missing, not compiled or too old."""
    try:
        return getattr(importlib.import_module(f'{package}.msg'), name)
    except (ImportError, AttributeError):
        return None
