# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`bisenet train`: from the command line to a folder with weights."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from command_line import bisenet
from small_datasets import make_cityscapes_tree
from small_trainings import losses, write_config

from bisenet_ros.checkpoint import Checkpoint


@pytest.mark.slow
def test_one_command_trains(tmp_path: Path) -> None:
    data = make_cityscapes_tree(tmp_path / 'city', train=3, val=1)
    write_config(tmp_path / 'small.yaml', Path('/nowhere'))
    program = [sys.executable, '-m', 'bisenet_ros.cli', 'train']
    result = subprocess.run(
        [*program, 'small.yaml', f'data={data}', 'max_steps=2'],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert result.returncode == 0, result.stderr
    assert 'step 2: loss' in result.stderr
    run = tmp_path / 'runs' / 'small'
    assert list(losses(run)) == [1, 2]
    assert Checkpoint.load(run / 'weights.safetensors').provenance['steps'] == 2


def test_what_is_wrong_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_config(tmp_path / 'small.yaml', tmp_path)
    result = bisenet('train', 'small.yaml', 'max_step=2')
    assert result.exit_code == 2
    assert result.stderr == 'bisenet: max_step=2: unknown key; did you mean max_steps?\n'
    assert not (tmp_path / 'runs').exists()
