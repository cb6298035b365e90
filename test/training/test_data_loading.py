# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Data-loading processes: an error ends the training with its reason, and them with it."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from small_datasets import make_cityscapes_tree
from small_trainings import write_config

from bisenet_ros.cli import app
from bisenet_training import loop
from bisenet_training.run_folder import StepRow
from bisenet_training.run_log import RunLog

LONGEST_S = 240.0


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_cityscapes_tree(tmp_path / 'city', train=6, val=2)


def train_command(data: Path, folder: Path) -> list[str]:
    """The arguments of a training with one data-loading process."""
    config = write_config(folder / 'small.yaml', data)
    return ['train', str(config), 'workers=1', 'max_steps=40', '-o', str(folder / 'run')]


def run_script(script: str, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Runs a Python script with these arguments."""
    return subprocess.run(
        [sys.executable, '-c', script, *command], capture_output=True, text=True, timeout=LONGEST_S
    )


@pytest.mark.slow
def test_an_error_in_the_loop_ends_the_program(data: Path, tmp_path: Path) -> None:
    script = (
        'import bisenet_training.loop as loop\n'
        'from bisenet_ros.cli import main\n'
        'class Broken(loop.RunLog):\n'
        '    def steps(self, rows, seconds_per_step):\n'
        '        raise RuntimeError("broken")\n'
        'loop.RunLog = Broken\n'
        'main()\n'
    )
    done = run_script(script, train_command(data, tmp_path))
    assert done.returncode == 1
    assert 'broken' in done.stderr


@pytest.mark.slow
def test_a_batch_without_room_in_shared_memory_ends_the_program(data: Path, tmp_path: Path) -> None:
    script = (
        'import resource\n'
        'from bisenet_ros.cli import main\n'
        '# A batch has 72 KiB. The limit is also that of files in /dev/shm.\n'
        'resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, resource.RLIM_INFINITY))\n'
        'main()\n'
    )
    done = run_script(script, train_command(data, tmp_path))
    assert done.returncode == 2
    assert 'Traceback' not in done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith('bisenet: no shared memory for a batch (')
    assert 'make room in /dev/shm' in last


def test_a_process_that_is_killed_ends_the_program(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    class Killing(RunLog):
        def steps(self, rows: Sequence[StepRow], seconds_per_step: float) -> None:
            for process in multiprocessing.active_children():
                process.kill()  # as the kernel does where memory runs out

    monkeypatch.setattr(loop, 'RunLog', Killing)
    with pytest.raises(SystemExit) as ended:
        app(train_command(data, tmp_path))
    assert ended.value.code == 2
    last = capfd.readouterr().err.strip().splitlines()[-1]
    assert last.startswith('bisenet: a data-loading process was killed (')


def test_a_frame_that_is_gone_is_named_in_one_line(
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    labels = data / 'gtFine' / 'train'

    class Removing(RunLog):
        def steps(self, rows: Sequence[StepRow], seconds_per_step: float) -> None:
            for path in labels.rglob('*_labelIds.png'):
                path.unlink()

    monkeypatch.setattr(loop, 'RunLog', Removing)
    with pytest.raises(SystemExit) as ended:
        app(train_command(data, tmp_path))
    assert ended.value.code == 2
    said = capfd.readouterr().err  # also by the data-loading process
    assert f'{labels}/smallville/smallville_0000' in said.strip().splitlines()[-1]
    assert 'Traceback' not in said
    assert 'DataLoader' not in said
