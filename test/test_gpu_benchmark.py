# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""benchmarks/gpu.py runs; what it measures on a CPU means nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny_checkpoint import save_tiny_checkpoint

SCRIPT = Path(__file__).parents[1] / 'benchmarks' / 'gpu.py'


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, SCRIPT, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_everybody_but_the_compilers_runs_on_a_cpu(tmp_path: Path) -> None:
    weights = save_tiny_checkpoint(tmp_path / 'tiny.safetensors')
    names = [
        'reference: eager',
        'engine torch',
        'engine cuda: kernel by kernel',
        'engine cuda: graph, one stream',
        'engine cuda: graph, two streams',
    ]
    written = tmp_path / 'gpu.json'
    result = run(
        *('--device', 'cpu', '--precision', 'fp32', '--rounds', '1', '--weights', weights),
        *('--frame', '96', '64', '--network', '64', '64', '--network', '70', '33'),
        *('--json', written, '--only', *names),
    )
    assert result.returncode == 0, result.stderr
    report = json.loads(written.read_text())
    assert [size['network_size'] for size in report['sizes']] == [[64, 64], [70, 33]]
    for size in report['sizes']:
        assert list(size['results']) == names
        for name in names:
            assert size['results'][name]['p50_ms'] > 0
            assert name in result.stdout
        for name in names[1:]:
            assert size['results'][name]['differing'] < 0.001
        parts = size['roofline_ms']
        assert parts.pop('together') == pytest.approx(sum(parts.values()))
        assert list(size['stages_ms']) == ['pre', 'network', 'post']


@pytest.mark.skipif(torch.cuda.is_available(), reason='here is an NVIDIA GPU')
def test_without_a_gpu_it_says_what_it_needs() -> None:
    result = run()
    assert result.returncode == 2
    assert "device 'cuda' needs an NVIDIA GPU" in result.stderr
    assert 'Traceback' not in result.stderr
