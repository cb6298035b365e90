# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What benchmarks with several ROS processes share: a DDS domain of their own, and peers in it."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.task import Future

from bisenet_ros.live.processes import ros_environment
from bisenet_ros.signals import ended_by_signals

try:
    from bisenet_ros.msg import SegmentationTiming
except ImportError:
    sys.exit('bisenet_ros.msg is not compiled: install the package where there is a C compiler')

__all__ = ['OUTPUTS', 'Peer', 'SegmentationTiming', 'own_domain']

OUTPUTS = ('labels', 'drivable', 'confidence', 'overlay')
"""Every image that the node publishes."""


@contextmanager
def own_domain() -> Iterator[None]:
    """Gives this process and its children a DDS domain of their own, and ends on signals.

    Raises:
        ProcessError: Every DDS domain is in use.
    """
    with (
        ended_by_signals(),
        tempfile.TemporaryDirectory() as logs,
        ros_environment(os.environ, Path(logs)) as environment,
    ):
        os.environ.update(environment)
        yield


class Peer:
    """A ROS node in this process, with its own participant, that spins until it is closed."""

    def __init__(self, name: str) -> None:
        self._context = Context()
        rclpy.init(context=self._context)
        self.node = Node(name, context=self._context, enable_rosout=False)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._ended: Future[None] = Future()
        self._thread = threading.Thread(
            target=self._executor.spin_until_future_complete, args=(self._ended,), name=name
        )

    def start(self) -> None:
        """Starts to spin; subscriptions and clients must exist already."""
        self._thread.start()

    def close(self) -> None:
        """Ends the thread and destroys the node."""
        # The thread ends first: rclpy fails if the executor is removed during a callback.
        self._ended.set_result(None)
        self._thread.join()
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.shutdown(context=self._context)
