# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A network that is too slow for its camera: labels stay new, and memory stays what it was.

The short form of what `python -m benchmarks.node --overload 600` shows over ten minutes: camera,
node and consumer are three processes, and the network is a real one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TIMEOUT = 240.0
"""Seconds, more than the program gives itself; on an idle machine it is over within twenty."""


@pytest.mark.slow
@pytest.mark.timeout(TIMEOUT + 30)
def test_at_60_hz_labels_are_never_older_than_two_periods_and_memory_is_flat(
    tmp_path: Path,
) -> None:
    pytest.importorskip(
        'bisenet_ros.msg', reason='the messages are not compiled: there was no C compiler'
    )
    figures = tmp_path / 'overload.json'
    overload = ['--overload', '10', '--network', '768', '384', '--json', str(figures)]
    done = subprocess.run(
        [sys.executable, '-m', 'benchmarks.node', *overload],
        cwd=ROOT,
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'never older than two periods' in done.stdout
    results = json.loads(figures.read_text())['results']
    assert results['labels_are_new']
    assert results['memory_is_flat']
    assert 0 < results['fps'] < 30, 'without overload it would prove nothing'
    # The newest frame waits for a period of the camera at most, not for one of the network.
    assert results['age_ms']['p50'] < 1.5 * results['period_ms']['p50']
