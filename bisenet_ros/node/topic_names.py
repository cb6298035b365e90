# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Remaps the topics of compressed images as image_transport does."""

from __future__ import annotations

from rclpy.node import Node

from bisenet_ros.message_types import COMPRESSED


def topic_name(node: Node, name: str) -> str:
    """Returns the name under which to create a topic; rclpy remaps it.

    The topic of compressed images is that of the raw images followed by `/compressed`, so remapping
    the raw images remaps both. A rule for the compressed images themselves takes precedence.

    Args:
        node: The node whose rules apply.
        name: The name, not remapped.
    """
    raw = name.removesuffix(COMPRESSED)
    own_rule = node.resolve_topic_name(name) != node.resolve_topic_name(name, only_expand=True)
    if raw == name or own_rule:
        return name
    return f'{node.resolve_topic_name(raw)}{COMPRESSED}'
