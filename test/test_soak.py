# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The short form of what benchmarks/soak.py does for an hour: each disturbance once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TIMEOUT = 240.0
"""Seconds; on an idle machine it is over within fifteen."""


@pytest.mark.timeout(TIMEOUT + 30)
def test_labels_come_again_after_every_disturbance_and_belong_to_their_frames(
    tmp_path: Path,
) -> None:
    pytest.importorskip('rclpy', reason='needs ROS 2')
    pytest.importorskip('bisenet_ros.msg', reason='needs the compiled messages')
    file = tmp_path / 'soak.json'
    once = ['--seconds', '0', '--calm', '0', '--rate', '10', '--network', '64', '64']
    done = subprocess.run(
        [
            *(sys.executable, '-m', 'benchmarks.soak', *once),
            *('--sizes', '320x240', '480x320', '--json', str(file)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(file.read_text())['results']
    assert len(figures['recovery_s']) == 8
    assert figures['labels'] >= 16, 'of two cameras, after each of eight disturbances'
    assert figures['stamps_checked'] > figures['labels']
    assert (figures['wrong_stamps'], figures['wrong_labels']) == (0, 0)
    assert figures['flat'] is None, 'too short to tell'
