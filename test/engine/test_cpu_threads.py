# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`cpu_threads` decides how many threads share the work of a frame."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

# Per number of threads: how many there are afterwards, and the share of the CPU time of some frames
# that the busiest of them took.
SCRIPT = """if True:
    import json
    import sys
    from pathlib import Path
    import numpy as np
    from bisenet_ros.malloc_tuning import prepare_process
    prepare_process()
    from bisenet_ros.segmenter import Segmenter

    def ticks():
        stats = Path('/proc/self/task').glob('*/stat')
        fields = {stat.parent: stat.read_text().rpartition(')')[2].split() for stat in stats}
        return {name: int(field[11]) + int(field[12]) for name, field in fields.items()}

    frame = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    weights, engine = sys.argv[1:]
    for threads in (1, 3):
        segmenter = Segmenter.load(
            weights, device='cpu', engine=engine, network_size=(640, 480), cpu_threads=threads
        )
        before = ticks()
        while sum(ticks().values()) - sum(before.values()) < 60:
            segmenter(frame)
        after = ticks()
        taken = [count - before.get(name, 0) for name, count in after.items()]
        print(json.dumps([len(after), max(taken) / sum(taken)]))
"""


@pytest.mark.skipif(not Path('/proc/self/task').exists(), reason='needs the /proc of Linux')
@pytest.mark.parametrize('engine', ['torch', 'openvino'])
def test_so_many_threads_work(engine: str, weights: Path) -> None:
    if find_spec(engine) is None:
        pytest.skip('OpenVINO is not installed')
    result = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', SCRIPT, str(weights), engine],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert result.returncode == 0, result.stderr
    (few, alone), (many, shared) = map(json.loads, result.stdout.splitlines())
    assert alone > 0.8  # the rest prepares and draws, in the thread that calls
    assert shared < 0.7
    assert many >= few + 2
