# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A training that was ended before its time goes on as if nothing had happened."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import torch
from small_datasets import make_cityscapes_tree
from small_trainings import losses, small_config, write_config

from bisenet_ros.checkpoint import Checkpoint
from bisenet_ros.commands.train import train
from bisenet_ros.errors import UserError
from bisenet_training.config import load_config
from bisenet_training.distributed import launch
from bisenet_training.interruption import Interruption
from bisenet_training.loop import fit
from bisenet_training.run_folder import RunFolder, read_rows
from bisenet_training.saved_state import save
from bisenet_training.training_data import read_counts

STEPS = 8

pytestmark = pytest.mark.usefixtures('no_charts')


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_cityscapes_tree(tmp_path_factory.mktemp('city'), train=6, val=2)


@pytest.fixture(scope='module')
def undisturbed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training that nobody has ended."""
    folder = tmp_path_factory.mktemp('undisturbed')
    fit(small_config(folder, data), folder / 'run', resume=False)
    return folder / 'run'


def unfinished(undisturbed: Path, folder: Path) -> Path:
    """A copy of the training that lacks nothing but its result."""
    run = folder / 'run'
    shutil.copytree(undisturbed, run)
    (run / 'weights.safetensors').unlink()
    return run


def start(
    config: Path, run: Path, after: int, *, workers: int = 0, resume: bool = False
) -> subprocess.Popen[str]:
    """Start a training as a program, and return when it has written down some steps.

    It stops by itself then until it is sent a line, so that it cannot have ended before.
    """
    script = (
        'import sys; from pathlib import Path\n'
        'import bisenet_training.loop as loop\n'
        'from bisenet_ros.commands.train import train\n'
        'class Halting(loop.RunLog):\n'
        '    def steps(self, rows, seconds_per_step):\n'
        '        super().steps(rows, seconds_per_step)\n'
        f'        if rows[-1].step == {after}:\n'
        '            print("halted", flush=True); sys.stdin.readline()\n'
        'loop.RunLog = Halting\n'
        f'overrides = ["workers={workers}"]\n'
        f'sys.exit(train(sys.argv[1], overrides, Path(sys.argv[2]), resume={resume}))\n'
    )
    process = subprocess.Popen(
        [sys.executable, '-c', script, str(config), str(run)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == 'halted\n'
    return process


def assert_same_run(resumed: Path, undisturbed: Path) -> None:
    """The losses of all steps, the evaluations and the weights are the same, bit by bit."""
    expected = losses(undisturbed)
    assert list(losses(resumed)) == list(expected) == list(range(1, STEPS + 1))
    assert losses(resumed) == expected
    evaluations, expected_evaluations = (
        [(row['step'], float(row['miou'])) for row in read_rows(run / 'evaluations.csv')]
        for run in (resumed, undisturbed)
    )
    assert evaluations == expected_evaluations
    seconds = [float(row['seconds']) for row in read_rows(resumed / 'steps.csv')]
    assert seconds == sorted(seconds)
    ours, theirs = (
        Checkpoint.load(run / 'weights.safetensors').state_dict for run in (resumed, undisturbed)
    )
    for name, tensor in theirs.items():
        assert torch.equal(ours[name], tensor), name


@pytest.mark.slow
def test_a_training_that_is_stopped_and_then_killed_goes_on_without_a_jump(
    data: Path, undisturbed: Path, tmp_path: Path
) -> None:
    config, run = write_config(tmp_path / 'small.yaml', data), tmp_path / 'run'
    with start(config, run, after=3, workers=2) as process:
        os.killpg(process.pid, signal.SIGTERM)  # like `timeout`: the data loaders get it, too
        process.communicate('go on\n')
    assert process.returncode == 128 + signal.SIGTERM
    state = torch.load(run / 'checkpoints' / 'last.ckpt', weights_only=True)
    assert state['step'] == max(losses(run)) == 3  # it was asked to stop, and saved first
    assert not (run / 'weights.safetensors').exists()
    with start(config, run, after=5, resume=True) as process:
        process.kill()
    assert process.returncode == -signal.SIGKILL
    # Step 5 is written down, but the state is that of step 4: 5 is made again.
    assert max(losses(run)) == 5
    with (run / 'steps.csv').open('a') as steps:
        steps.write('6,1.2')  # as a kill within a line leaves it
    fit(small_config(tmp_path, data), run, resume=True)
    assert_same_run(run, undisturbed)


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_one_signal_is_a_wish_and_the_second_an_end(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with Interruption() as interruption:
        assert interruption.signal is None
        signal.raise_signal(number)
        assert interruption.signal == number
        assert signal.getsignal(number) == before
    assert signal.getsignal(number) == before


def test_a_run_that_was_killed_at_its_very_end_is_exported(
    data: Path, undisturbed: Path, tmp_path: Path
) -> None:
    run = unfinished(undisturbed, tmp_path)
    fit(small_config(tmp_path, data), run, resume=True)
    assert_same_run(run, undisturbed)


def test_a_folder_is_of_one_run(
    data: Path, undisturbed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UserError, match='holds a run: continue it with --resume, or choose'):
        fit(small_config(tmp_path, data), undisturbed, resume=False)
    before = (undisturbed / 'weights.safetensors').stat()
    assert train(str(tmp_path / 'small.yaml'), [], undisturbed, resume=True) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(f'is finished: {undisturbed}/weights.safetensors')
    assert (undisturbed / 'weights.safetensors').stat() == before
    with pytest.raises(UserError, match='max_steps changed since'):
        fit(small_config(tmp_path, data, ['max_steps=9']), undisturbed, resume=True)


def test_a_full_disk_ends_a_run_that_goes_on_when_there_is_room(
    data: Path, undisturbed: Path, tmp_path: Path
) -> None:
    config, run = str(write_config(tmp_path / 'small.yaml', data)), tmp_path / 'run'
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))  # room for tables, not for a state
    try:
        with pytest.raises(UserError, match=r'File too large: the run .* command with --resume'):
            train(config, [], run, resume=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list((run / 'checkpoints').iterdir()) == []
    # Without a state it begins anew, whatever else a run has written that was killed before.
    for name in ('steps.csv', 'evaluations.csv', 'checkpoints/best.ckpt'):
        shutil.copy(undisturbed / name, run / name)
    assert train(config, [], run, resume=True) == 0
    assert_same_run(run, undisturbed)


def test_weights_that_cannot_be_written_leave_no_part(
    data: Path, undisturbed: Path, tmp_path: Path
) -> None:
    run = unfinished(undisturbed, tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        with pytest.raises(OSError, match='File too large'):
            fit(small_config(tmp_path, data), run, resume=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(run.glob('weights.*')) == []


def test_a_full_disk_leaves_the_configuration_that_a_run_resumes_with(
    data: Path, undisturbed: Path, tmp_path: Path
) -> None:
    folder = RunFolder(unfinished(undisturbed, tmp_path))
    config = small_config(tmp_path, data, ['evaluate_every=8'])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 10, hard))
    try:
        with pytest.raises(UserError, match='File too large'):
            folder.begin(config, resume=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    folder.begin(config, resume=True)
    assert load_config(folder.config) == config


def test_a_state_is_kept_until_the_next_one_is_whole(tmp_path: Path) -> None:
    fabric, file = launch('cpu', 'fp32'), tmp_path / 'last.ckpt'
    save(fabric, file, {'step': 1})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, hard))
    try:
        with pytest.raises(OSError, match='File too large'):
            save(fabric, file, {'step': 2, 'large': torch.zeros(1 << 16)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert torch.load(file, weights_only=True) == {'step': 1}
    assert list(tmp_path.iterdir()) == [file]


def test_a_state_needs_no_room_for_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path / 'missing'))
    file = tmp_path / 'last.ckpt'
    save(launch('cpu', 'fp32'), file, {'step': 1})
    assert torch.load(file, weights_only=True) == {'step': 1}


def test_a_damaged_state_is_named(data: Path, undisturbed: Path, tmp_path: Path) -> None:
    run = unfinished(undisturbed, tmp_path)
    state = run / 'checkpoints' / 'last.ckpt'
    content = state.read_bytes()
    middle = len(content) // 2  # within a tensor, where torch does not notice
    other = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    for damaged in (content[:-100], other):
        state.write_bytes(damaged)
        with pytest.raises(UserError, match=r'last\.ckpt is damaged: remove it to start again'):
            fit(small_config(tmp_path, data), run, resume=True)
    state.write_bytes(content)
    (run / 'checkpoints' / 'best.ckpt').write_bytes(other)
    with pytest.raises(UserError, match=r'best\.ckpt was saved by an earlier version.*or is dam'):
        fit(small_config(tmp_path, data), run, resume=True)


def test_damaged_tables_of_a_run_are_named(data: Path, undisturbed: Path, tmp_path: Path) -> None:
    folder = RunFolder(unfinished(undisturbed, tmp_path))
    good = folder.steps.read_text()
    for text, message in (
        (good + '9,x,0.1,2\n', 'line 10: not a row that a run writes .*remove the row'),
        (good + '9\n', 'line 10: not a row'),
        (good.replace('step,', 'steps,', 1), 'line 1: not a row that a run writes .unknown'),
    ):
        folder.steps.write_text(text)
        with pytest.raises(UserError, match=rf'steps\.csv, {message}'):
            folder.forget_after(STEPS)
    folder.steps.write_bytes(b'\xff\n')
    with pytest.raises(UserError, match=r'steps\.csv is damaged'):
        folder.forget_after(STEPS)
    folder.steps.unlink()  # the folder still holds the state of a run
    with pytest.raises(UserError, match='holds a run'):
        folder.begin(small_config(tmp_path, data), resume=False)
    with pytest.raises(UserError, match='max_steps changed'):
        folder.begin(small_config(tmp_path, data, ['max_steps=9']), resume=True)
    for content in ('{', '[]', '{"a": {"x": -1}}', '{"a": {"x": 0}}', '{"a": {"x": 1, "y": 2}}'):
        folder.data.write_text(content)
        with pytest.raises(UserError, match=r'data\.json is damaged.*remove it to check'):
            read_counts(folder.data, ['a'], 1)
    assert read_counts(folder.data, ['b'], 2) is None  # of other data


def test_a_state_of_an_earlier_version_is_named(
    data: Path, undisturbed: Path, tmp_path: Path
) -> None:
    run = unfinished(undisturbed, tmp_path)
    trainer_state = {'global_step': 8, 'state_dict': {}, 'optimizer_states': []}
    torch.save(trainer_state, run / 'checkpoints' / 'last.ckpt')
    with pytest.raises(UserError, match=r'an earlier version .* remove it to start again'):
        fit(small_config(tmp_path, data), run, resume=True)


def test_where_no_folder_can_be_there_is_no_run(data: Path, tmp_path: Path) -> None:
    (tmp_path / 'file').touch()
    with pytest.raises(UserError, match=r'file/checkpoints: Not a directory'):
        fit(small_config(tmp_path, data), tmp_path / 'file', resume=False)


def test_a_resumed_run_is_configured_as_it_was(data: Path, tmp_path: Path) -> None:
    run = tmp_path / 'run'
    overrides = ['optimizer.lr=1.0e+30', 'save_every=1']
    with pytest.raises(UserError, match='the loss is'):
        fit(small_config(tmp_path, data, overrides), run, resume=False)
    with pytest.raises(UserError, match=r'batch, seed changed since the run in .* was started'):
        fit(small_config(tmp_path, data, [*overrides, 'batch=2', 'seed=1']), run, resume=True)
    # How the work is done may change, and the mistake comes again at the same step.
    before = losses(run)
    with pytest.raises(UserError, match='the loss is'):
        fit(small_config(tmp_path, data, [*overrides, 'workers=1']), run, resume=True)
    assert losses(run) == pytest.approx(before, rel=1e-5)
