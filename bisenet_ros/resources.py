# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where the files lie that come with the package and are not Python: config/, launch/."""

from __future__ import annotations

from pathlib import Path


def share_directory() -> Path:
    """The folder that holds config/ and launch/."""
    return Path(__file__).parent.parent
