# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`bisenet benchmark` on a small frame: what it writes, and what it refuses. No time is judged."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from command_line import bisenet
from typer.testing import Result

from bisenet_ros.benchmark import streaming
from bisenet_ros.engine.hardware import cpu_has_bf16

OURS = 'bisenet: torch, fp32'


def benchmark(weights: Path, *arguments: str | Path) -> Result:
    sizes = ['--size', '128', '96', '--network-size', '64', '64', '--device', 'cpu']
    short = ['--rounds', '1', '--seconds', '0.1', '--engine', 'torch']
    return bisenet('benchmark', '--weights', weights, *sizes, *short, *arguments)


@pytest.mark.slow
def test_figures_are_printed_written_and_drawn(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, 'MIN_FRAMES', 10)
    json_file, plot = tmp_path / 'new' / 'figures.json', tmp_path / 'plot.svg'
    result = benchmark(weights, '--json', json_file, '--plot', plot, '--cpu-threads', '3')
    assert result.exit_code == 0, result.output

    figures = json.loads(json_file.read_text())
    assert figures['settings']['size'] == [128, 96]
    assert figures['settings']['classes'] == 11
    reference, *others = figures['comparison']
    assert reference['name'] == 'eager torch, fp32'
    assert reference['times_faster'] == 1
    assert others[-1]['name'] == OURS
    in_bf16 = ['bisenet: torch, bf16'] if cpu_has_bf16() else []
    assert [one['name'] for one in others if one['ours']] == [*in_bf16, OURS]
    assert 'needs a GPU' in figures['left_out']['bisenet: torch, fp16']
    for name in ('bisenet: torch, bf16', 'OpenVINO + argmax, bf16'):
        measured = any(one['name'] == name for one in figures['comparison'])
        assert measured != (name in figures['left_out'])
    for one in figures['comparison']:
        assert 0 < one['p50_ms'] <= one['p95_ms'] <= one['p99_ms']
        assert one['times_faster'] == pytest.approx(reference['p50_ms'] / one['p50_ms'])
    assert others[-1]['differing_pixels'] == 0
    assert 0 < reference['differing_pixels'] < 0.5  # labels of the network's size, enlarged

    stages = figures['stages'][OURS]
    inside = ['decode', 'pre', 'network', 'post', 'drivable', 'publish']
    assert list(stages) == [*inside, 'total']
    assert sum(stages[name]['p50_ms'] for name in inside) <= stages['total']['p50_ms']

    trials = figures['streaming']
    assert [one['rate_hz'] for one in trials['fixed_rates']] == [10, 30, 60]
    for one in (*trials['fixed_rates'], trials['highest_sustained']):
        assert 0 <= one['dropped_frames'] < one['received_frames']

    start = figures['start']
    parts = ('python', 'imports', 'load', 'first_frame')
    assert start['cold_seconds'] == pytest.approx(sum(start[f'{part}_seconds'] for part in parts))
    assert start['memory_bytes']['host'] > 50e6

    machine = figures['machine']
    assert machine['versions'].keys() >= {'bisenet_ros', 'python', 'torch', 'numpy'}
    assert len(machine['load_average']) == 3
    assert machine['threads']['torch'] == figures['settings']['cpu_threads'] == 3

    for name in ('eager torch, fp32', OURS, 'drivable', '60 Hz', 'load average'):
        assert name in result.stdout
    texts = {text.text for text in ElementTree.parse(plot).iter('{http://www.w3.org/2000/svg}text')}
    assert {OURS, 'eager torch, fp32'} <= texts


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('--plot', 'plot.png'), 'a name that ends in .svg'),
        (('--engine', 'warp'), "engine must be one of auto, torch, openvino, cuda, not 'warp'"),
        (('--precision', 'fp16'), 'fp16 needs a GPU'),
        (('--cpu-threads', '-1'), 'cpu_threads must be an integer from 0 to 1024, not -1'),
        (('--weights', 'none.safetensors'), "no weights 'none.safetensors'"),
    ],
)
def test_bad_input_is_one_line(weights: Path, arguments: tuple[str, ...], message: str) -> None:
    result = benchmark(weights, *arguments)
    assert result.exit_code == 2
    (line,) = [line for line in result.stderr.splitlines() if line.startswith('bisenet: ')]
    assert message in line
