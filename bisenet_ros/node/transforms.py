# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Looks up the poses of cameras in TF; tf2_ros need not be installed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.clock import Clock, JumpThreshold
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time

from bisenet_ros.camera_ground import Transform


class TransformListener:
    """Looks up transforms in a TF buffer without waiting; see `camera_ground.Transforms`."""

    def __init__(
        self,
        buffer: Any,
        listener: Any,
        errors: type[Exception],
        clock: Clock,
        forget: Callable[[], None],
    ) -> None:
        """
        Args:
            buffer: A `tf2_ros.Buffer`.
            listener: The `tf2_ros.TransformListener` that fills it.
            errors: The exception that the buffer raises for unknown transforms.
            clock: If it jumps back, the buffer is cleared, or it would refuse older transforms.
            forget: Called after that, to forget transforms that were found before.
        """
        self._buffer = buffer
        self._listener = listener
        self._errors = errors

        def clear(_: Any) -> None:
            buffer.clear()
            forget()

        back = JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1))
        self._jumps = clock.create_jump_callback(back, post_callback=clear)

    def find(self, parent: str, child: str, stamp: Any) -> Transform | None:
        """Returns the transform at the stamp, or the latest one if TF does not have that."""
        times = [Time()]  # zero means the latest
        if stamp.sec >= 0:  # rclpy's Time refuses negative seconds, as a message can have
            times.insert(0, Time(seconds=stamp.sec, nanoseconds=stamp.nanosec))
        for time in times:
            try:
                found = self._buffer.lookup_transform(parent, child, time).transform
            except self._errors:
                continue
            move, turn = found.translation, found.rotation
            return Transform((move.x, move.y, move.z), (turn.x, turn.y, turn.z, turn.w))
        return None

    def destroy(self) -> None:
        """Stops listening."""
        self._jumps.unregister()
        self._listener.unregister()


def listen_to_transforms(node: Node, forget: Callable[[], None]) -> TransformListener | None:
    """Subscribes a node to TF; returns None if tf2_ros is not installed.

    Args:
        node: The node.
        forget: See `TransformListener`.
    """
    try:
        import tf2_ros
    except ModuleNotFoundError:
        return None
    # Without the node: otherwise the buffer creates a service that it never destroys, and in some
    # versions it raises a TypeError when the node's clock jumps back.
    buffer = tf2_ros.Buffer()
    listener = tf2_ros.TransformListener(buffer, node)
    errors = tf2_ros.TransformException
    return TransformListener(buffer, listener, errors, node.get_clock(), forget)
