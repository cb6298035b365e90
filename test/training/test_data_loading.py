# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Data-loading processes: an error ends the training with its reason, and them with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from small_datasets import make_cityscapes_tree
from small_trainings import write_config

LONGEST_S = 120.0


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_cityscapes_tree(tmp_path / 'city', train=6, val=2)


def train_until(event: str, data: Path, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Trains as a program with one data-loading process; `event` happens after each step."""
    script = (
        'import sys; from pathlib import Path\n'
        'import bisenet_training.loop as loop\n'
        'from bisenet_ros.cli import main\n'
        'class Eventful(loop.RunLog):\n'
        '    def steps(self, rows, seconds_per_step):\n'
        f'        {event}\n'
        'loop.RunLog = Eventful\n'
        'main()\n'
    )
    config, run = write_config(tmp_path / 'small.yaml', data), tmp_path / 'run'
    arguments = ('train', str(config), 'workers=1', 'max_steps=40', '-o', str(run))
    return subprocess.run(
        [sys.executable, '-c', script, *arguments],
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
    )


@pytest.mark.slow
def test_an_error_in_the_loop_ends_the_program(data: Path, tmp_path: Path) -> None:
    done = train_until('raise RuntimeError("broken")', data, tmp_path)
    assert done.returncode == 1
    assert 'broken' in done.stderr


@pytest.mark.slow
def test_a_frame_that_is_gone_is_named_in_one_line(data: Path, tmp_path: Path) -> None:
    labels = data / 'gtFine' / 'train'
    event = f'for path in Path({str(labels)!r}).rglob("*_labelIds.png"): path.unlink()'
    done = train_until(event, data, tmp_path)
    assert done.returncode == 2
    line = done.stderr.strip().splitlines()[-1]
    assert f'{labels}/smallville/smallville_0000' in line
    assert 'Traceback' not in done.stderr
    assert 'DataLoader' not in done.stderr
