# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The executable `segmenter_node`. A signal ends it with exit code 0, even while it starts.

    ros2 run bisenet_ros segmenter_node --ros-args -r image:=/camera/image_raw

SIGINT and SIGTERM end the node with exit code 0, wrong parameters or weights with 2, a device that
only a new process can use and a full /dev/shm with 1, all but signals with one line that says what
is wrong.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from bisenet_ros.malloc_tuning import prepare_process
from bisenet_ros.node.large_images import (
    MAKE_ROOM,
    ROS_MB,
    SHARED_MEMORY,
    free_shared_memory,
)

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def _end(*_: Any) -> None:
    os._exit(0)


def main() -> int:
    """Run the node until it is asked to end; its exit code."""
    # Importing ROS takes a while, and leaves nothing that would have to be put in order.
    for number in _STOP_SIGNALS:
        signal.signal(number, _end)
    prepare_process()
    if free_shared_memory() < ROS_MB:
        # Importing rclpy would end the process with SIGBUS, without a word.
        print(f'segmenter_node: {SHARED_MEMORY} is full. {MAKE_ROOM}', file=sys.stderr)
        return 1
    # Only now: rclpy starts threads when it is imported, which get heaps of their own by default.
    from bisenet_ros.node.lifecycle_node import run

    try:
        return run()
    finally:
        # Python takes a while to take itself down, and would die of another Ctrl-C meanwhile.
        for number in _STOP_SIGNALS:
            signal.signal(number, signal.SIG_IGN)


if __name__ == '__main__':
    sys.exit(main())
