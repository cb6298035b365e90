# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Names of ROS nodes, and the patterns by which a parameter file selects them."""

from __future__ import annotations

import re


def matches(pattern: str, node: str) -> bool:
    """Whether a section's pattern is for a node: `*` is one name, `**` any number of them."""
    parts = [
        '(/[^/]+)*' if part == '**' else '/' + re.escape(part).replace(r'\*', '[^/]*')
        for part in pattern.lstrip('/').split('/')
    ]
    return re.fullmatch(''.join(parts), node) is not None
