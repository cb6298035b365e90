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

# For each engine: with one thread, the share of the CPU time of some frames that the busiest thread
# took; with three, frames until so many have worked, which a busy machine may delay, but not
# prevent.
SCRIPT = """if True:
    import json
    import sys
    from pathlib import Path
    import numpy as np
    from bisenet_ros.process_tuning import prepare_process
    prepare_process()
    from bisenet_ros.segmenter import Segmenter

    def ticks():
        stats = Path('/proc/self/task').glob('*/stat')
        fields = {stat.parent: stat.read_text().rpartition(')')[2].split() for stat in stats}
        return {name: int(field[11]) + int(field[12]) for name, field in fields.items()}

    frame = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    weights, *engines = sys.argv[1:]

    def load(engine, threads):
        return Segmenter.load(
            weights,
            device='cpu',
            precision='fp32',
            engine=engine,
            network_size=(640, 480),
            cpu_threads=threads,
        )

    def taken(before):
        return [count - before.get(task, 0) for task, count in ticks().items()]

    shares = {}
    for engine in engines:
        segmenter, before = load(engine, 1), ticks()
        while sum(taken(before)) < 60:
            segmenter(frame)
        shares[engine] = max(taken(before)) / sum(taken(before))

        segmenter, before = load(engine, 3), ticks()
        while sum(count > 1 for count in taken(before)) < 3:
            segmenter(frame)
    print(json.dumps(shares))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path('/proc/self/task').exists(), reason='needs the /proc of Linux')
def test_so_many_threads_work(weights: Path) -> None:
    engines = [engine for engine in ('torch', 'openvino') if find_spec(engine)]
    result = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', SCRIPT, str(weights), *engines],
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert result.returncode == 0, result.stderr
    # The rest is to resize frames and to draw labels, in the thread that calls.
    shares = json.loads(result.stdout)
    assert list(shares) == engines
    assert min(shares.values()) > 0.8, shares
