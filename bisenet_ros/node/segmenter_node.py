# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The executable `segmenter_node`.

    ros2 run bisenet_ros segmenter_node --ros-args -r image:=/camera/image_raw

SIGINT, SIGTERM and SIGHUP end the node with exit code 0, even while it starts. Wrong parameters or
weights give exit code 2. A full /dev/shm, or a device that only a new process can use, gives 1.
Each error is reported in one line.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from bisenet_ros.node.large_images import (
    MAKE_ROOM,
    ROS_MB,
    SHARED_MEMORY,
    free_shared_memory,
)
from bisenet_ros.process_tuning import prepare_process
from bisenet_ros.signals import stop_signals


def _end(*_: Any) -> None:
    os._exit(0)


def main() -> int:
    """Runs the node until it is asked to end; returns the exit code."""
    signals = stop_signals()
    # A signal during the slow import of ROS needs no clean-up.
    for number in signals:
        signal.signal(number, _end)
    prepare_process()
    if free_shared_memory() < ROS_MB:
        # Importing rclpy would end the process with SIGBUS, without a message.
        print(f'segmenter_node: {SHARED_MEMORY} is full. {MAKE_ROOM}', file=sys.stderr)
        return 1
    # Imported only now, because rclpy starts threads, which would get heaps of their own.
    from bisenet_ros.node.process import run

    try:
        return run()
    finally:
        # Another Ctrl-C during the interpreter's shutdown would kill it.
        for number in signals:
            signal.signal(number, signal.SIG_IGN)


if __name__ == '__main__':
    sys.exit(main())
