# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""benchmarks/gpu.py runs; what it measures on a CPU means nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_checkpoint import save_tiny_checkpoint

ROOT = Path(__file__).parents[1]
OURS = ['engine cuda: graph, two streams', 'engine torch']
TENSORRT = 'TensorRT, argmax in the graph'
TRTEXEC = 'TensorRT by trtexec, the network alone'


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, '-m', 'benchmarks.gpu', *arguments]
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def report(tmp_path: Path) -> Any:
    """Runs it with a tiny network on the CPU; what it printed, and its JSON."""
    weights = save_tiny_checkpoint(tmp_path / 'tiny.safetensors')
    written = tmp_path / 'gpu.json'

    def measure(*arguments: str, **environment: str) -> tuple[str, dict[str, Any]]:
        done = run(
            *('--device', 'cpu', '--precision', 'fp32', '--rounds', '1', '--weights', weights),
            *('--frame', '96', '64', '--json', written, *arguments),
            **environment,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout, json.loads(written.read_text())

    return measure


@pytest.mark.slow
def test_it_runs_on_a_cpu(report: Any) -> None:
    names = ['reference: eager', *OURS]
    printed, found = report('--network', '70', '33', '--only', *names)
    assert found['machine']['malloc'] == 'freed memory is kept'
    (size,) = found['sizes']
    assert size['network_size'] == [70, 33]
    assert list(size['results']) == names
    for name in names:
        result = size['results'][name]
        assert result['p50_ms'] > 0
        assert result['faster'] > 0
        assert name in printed
    for name in OURS:
        assert size['results'][name]['differing'] < 0.001
    assert list(size['results'][OURS[0]]['stages_ms']) == ['pre', 'network', 'post']
    parts = {name: size['roofline'][name] for name in size['roofline']}
    for rate in ('flops', 'to_device', 'to_host'):
        assert parts.pop(rate) > 0
    assert parts.pop('together') == pytest.approx(sum(parts.values()))
    assert list(parts) == ['frame to the GPU', 'network', 'labels back']


@pytest.mark.slow
def test_one_that_fails_is_noted_and_the_others_run(report: Any, tmp_path: Path) -> None:
    pytest.importorskip('onnxscript')
    # It fails with an error for the first size, and crashes for the second.
    (tmp_path / 'tensorrt.py').write_text(f"""
import os
path = {str(tmp_path / 'tried')!r}
if os.path.exists(path):
    os._exit(3)
open(path, 'w').close()
raise ImportError('libnvinfer.so.10 is missing')
""")
    # trtexec runs, and says what it measured as TensorRT's documentation shows it.
    said = 'GPU Compute Time: min = 1 ms, median = 1.25 ms, percentile(99%) = 1.5 ms'
    trtexec = tmp_path / 'trtexec'
    trtexec.write_text(f'#!/bin/sh\ntest -s "${{1#--onnx=}}" && echo "[I] {said}"\n')
    trtexec.chmod(0o755)
    printed, found = report(
        *('--network', '64', '64', '--network', '32', '32', '--only', TENSORRT, TRTEXEC),
        PYTHONPATH=f'{tmp_path}:{os.environ.get("PYTHONPATH", "")}',
        PATH=f'{tmp_path}:{os.environ["PATH"]}',
    )
    reasons = ('libnvinfer.so.10 is missing', 'the process ended with exit code 3')
    for size, reason in zip(found['sizes'], reasons, strict=True):
        assert reason in size['results'][TENSORRT]['error']
        assert size['results'][TRTEXEC] == {'p50_ms': 1.25, 'p99_ms': 1.5}
        assert reason in printed


def test_when_the_time_is_up_it_ends(report: Any) -> None:
    printed, found = report('--network', '64', '64', '--only', 'engine torch', '--minutes', '0')
    (size,) = found['sizes']
    assert size['results']['engine torch'] == {'error': 'skipped, out of time'}
    assert 'skipped, out of time' in printed


def test_labels_of_what_others_compile_are_ours(tmp_path: Path) -> None:
    """Around a network in float32 that nobody has compiled, but for the way labels grow."""
    weights = save_tiny_checkpoint(tmp_path / 'tiny.safetensors')
    program = f"""
import numpy as np, torch
from benchmarks.gpu import LabelsInGraph, Setting, around, empty_input
from bisenet_ros.benchmark import baselines
from bisenet_ros.checkpoint import Checkpoint
checkpoint = Checkpoint.load({str(weights)!r})
frame = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
setting = Setting(checkpoint, (64, 64), torch.device('cpu'), 'fp32')
label = around(setting, LabelsInGraph(setting).eval(), empty_input(setting))
differing = np.mean(label(frame) != baselines.exact(checkpoint, (64, 64))(frame))
assert differing < 0.001, differing
"""
    subprocess.run([sys.executable, '-c', program], cwd=ROOT, check=True)


@pytest.mark.skipif(torch.cuda.is_available(), reason='here is an NVIDIA GPU')
def test_without_a_gpu_it_says_what_it_needs() -> None:
    result = run()
    assert result.returncode == 2
    assert "device 'cuda' needs an NVIDIA GPU" in result.stderr
    assert 'Traceback' not in result.stderr
