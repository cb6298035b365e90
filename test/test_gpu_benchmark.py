# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""benchmarks/gpu.py runs; what it measures on a CPU means nothing."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_checkpoint import save_tiny_checkpoint

from bisenet_ros.benchmark import baselines
from bisenet_ros.checkpoint import Checkpoint

ROOT = Path(__file__).parents[1]
OURS = ['engine cuda: graph, two streams', 'engine torch']
TENSORRT = 'TensorRT, argmax in the graph'
TRTEXEC = 'TensorRT by trtexec, the network alone'


@pytest.fixture(scope='module')
def gpu() -> dict[str, Any]:
    """What benchmarks/gpu.py defines."""
    return runpy.run_path(str(ROOT / 'benchmarks' / 'gpu.py'))


@pytest.fixture
def main(gpu: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Callable[[list[str]], None]:
    """Its command line, but for what it does to its process, which here is that of the tests."""
    main: Callable[[list[str]], None] = gpu['main']
    monkeypatch.setitem(main.__globals__, 'prepare_process', lambda: None)
    return main


def options(folder: Path, *others: str) -> list[str]:
    """Has a tiny network measured on the CPU, and the figures written to gpu.json."""
    weights = save_tiny_checkpoint(folder / 'tiny.safetensors')
    return [
        *('--device', 'cpu', '--precision', 'fp32', '--rounds', '1', '--weights', str(weights)),
        *('--frame', '96', '64', '--json', str(folder / 'gpu.json'), *others),
    ]


@pytest.mark.slow
def test_it_runs_on_a_cpu_with_one_that_fails(tmp_path: Path) -> None:
    others = [] if find_spec('onnxscript') is None else [TENSORRT, TRTEXEC]
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
    names = ['reference: eager', *OURS]
    sizes = ('--network', '70', '33', '--network', '32', '32')
    arguments = options(tmp_path, *sizes, '--only', *names, *others)
    done = subprocess.run(
        [sys.executable, '-m', 'benchmarks.gpu', *arguments],
        cwd=ROOT,
        env={
            **os.environ,
            'PYTHONPATH': f'{tmp_path}:{os.environ.get("PYTHONPATH", "")}',
            'PATH': f'{tmp_path}:{os.environ["PATH"]}',
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / 'gpu.json').read_text())
    assert found['machine']['malloc'] == 'freed memory is kept'
    assert [size['network_size'] for size in found['sizes']] == [[70, 33], [32, 32]]
    reasons = ('libnvinfer.so.10 is missing', 'the process ended with exit code 3')
    for size, reason in zip(found['sizes'], reasons, strict=True):
        results = size['results']
        assert list(results) == [*names, *others]
        for name in names:
            assert results[name]['p50_ms'] > 0
            assert results[name]['faster'] > 0
            assert name in done.stdout
        for name in OURS:
            assert results[name]['differing'] < 0.001
        assert list(results[OURS[0]]['stages_ms']) == ['pre', 'network', 'post']
        if others:
            assert reason in results[TENSORRT]['error']
            assert reason in done.stdout
            assert results[TRTEXEC] == {'p50_ms': 1.25, 'p99_ms': 1.5}
        parts = {name: size['roofline'][name] for name in size['roofline']}
        for rate in ('flops', 'to_device', 'to_host'):
            assert parts.pop(rate) > 0
        assert parts.pop('together') == pytest.approx(sum(parts.values()))
        assert list(parts) == ['frame to the GPU', 'network', 'labels back']


def test_when_the_time_is_up_it_ends(
    main: Callable[[list[str]], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(options(tmp_path, '--network', '64', '64', '--only', 'engine torch', '--minutes', '0'))
    (size,) = json.loads((tmp_path / 'gpu.json').read_text())['sizes']
    assert size['results']['engine torch'] == {'error': 'skipped, out of time'}
    assert 'skipped, out of time' in capsys.readouterr().out


def test_labels_of_what_others_compile_are_ours(gpu: dict[str, Any], weights: Path) -> None:
    """Around a network in float32 that nobody has compiled, but for the way labels grow."""
    checkpoint = Checkpoint.load(weights)
    frame = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    setting = gpu['Setting'](checkpoint, (64, 64), torch.device('cpu'), 'fp32')
    network = gpu['LabelsInGraph'](setting).eval()
    label = gpu['around'](setting, network, gpu['empty_input'](setting))
    assert np.mean(label(frame) != baselines.exact(checkpoint, (64, 64))(frame)) < 0.001


@pytest.mark.skipif(torch.cuda.is_available(), reason='needs a machine without an NVIDIA GPU')
def test_without_a_gpu_it_says_what_it_needs(
    main: Callable[[list[str]], None], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match=r'^2$'):
        main([])
    assert "device 'cuda' needs an NVIDIA GPU" in capsys.readouterr().err
