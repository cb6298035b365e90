# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The recorder's process."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from ros_peers import running

# On Humble, a future that is done does not end the executor's wait.
ON_HUMBLE = """
import sys
from rclpy.executors import Executor
from bisenet_ros.live.recorder import main

spin = Executor.spin_until_future_complete

def say_and_spin(self, future):
    print('spinning', flush=True)
    spin(self, future)

Executor.wake = lambda self: None
Executor.spin_until_future_complete = say_and_spin
sys.exit(main(sys.argv[1:]))
"""


def test_a_signal_ends_the_recorder_also_on_humble(domain: int, tmp_path: Path) -> None:
    with running([sys.executable, '-c', ON_HUMBLE, str(tmp_path)], domain) as recorder:
        recorder.wait_for_output('spinning')
        recorder.send(signal.SIGINT)
        assert recorder.wait() == 0
