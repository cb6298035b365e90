# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Matches names of ROS nodes against the patterns in a parameter file."""

from __future__ import annotations

import re


def matches(pattern: str, node: str) -> bool:
    """Returns whether a pattern matches a node: `*` is one name, `**` any number of names."""
    parts = [
        '(/[^/]+)*' if part == '**' else '/' + re.escape(part).replace(r'\*', '[^/]*')
        for part in pattern.lstrip('/').split('/')
    ]
    return re.fullmatch(''.join(parts), node) is not None
