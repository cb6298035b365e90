# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command as a whole: help, version, exit codes, and that a verb imports only what it needs."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import IO

import pytest
from command_line import bisenet
from tiny_checkpoint import save_tiny_checkpoint

from bisenet_ros.checkpoint import Checkpoint
from bisenet_ros.extras import EXTRAS, advice
from bisenet_ros.version import VERSION

VERBS = ('segment', 'record', 'replay', 'compare', 'check', 'demo', 'evaluate', 'import', 'info')


def bisenet_process(
    *arguments: str, stdout: int | IO[bytes] = subprocess.PIPE, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, '-m', 'bisenet_ros.cli', *arguments],
        stdout=stdout,
        stderr=subprocess.PIPE,
        encoding='utf-8',
        timeout=240,
        env=env,
        check=False,
    )


def test_version() -> None:
    result = bisenet_process('--version')
    assert (result.returncode, result.stdout) == (0, f'bisenet {VERSION}\n')


@pytest.mark.parametrize('verb', VERBS)
def test_help(verb: str) -> None:
    assert verb in bisenet('--help').stdout
    result = bisenet(verb, '--help')
    assert result.exit_code == 0
    assert result.stdout.strip()


def test_sizes_are_explained_as_they_are_given() -> None:
    result = bisenet('segment', '--help', COLUMNS='400')
    for text in (
        "Width and height of the network's input, 32 to 8192; by default those of the checkpoint",
        'Width and height of labels, masks, confidence and overlay, 32 to 8192; by default the',
    ):
        assert text in result.stdout


@pytest.mark.parametrize(
    ('arguments', 'explained'),
    [
        (['drive'], 'bisenet'),
        (['--wheels'], 'bisenet'),
        (['--version=3'], 'bisenet'),
        (['segment', 'a.png'], 'bisenet segment'),
        (['segment', '--wheels', '4'], 'bisenet segment'),
        (['segment', 'a.png', '--network-size', '160'], 'bisenet segment'),
        (['info', 'a', 'b'], 'bisenet info'),
        (['replay', '-o', 'out'], 'bisenet replay'),
    ],
)
def test_bad_arguments(arguments: list[str], explained: str) -> None:
    result = bisenet(*arguments)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith('bisenet: ')
    assert line.endswith(f'; see {explained} --help')


@pytest.mark.parametrize(
    ('names', 'unknown'),
    [
        ('"road, route", sky', 'road, route'),
        ('sky,"road, route"', 'road, route'),
        ('sky\nroute', 'route'),
        ('road, route', 'route'),
    ],
)
def test_names_of_classes_may_have_commas(tmp_path: Path, names: str, unknown: str) -> None:
    image = tmp_path / 'street.png'
    image.touch()
    result = bisenet('segment', image, '--drivable-classes', names, '-o', tmp_path / 'out')
    assert result.exit_code == 2
    assert result.stderr.startswith(f"bisenet: no class '{unknown}': the classes are sky, ")


def test_a_verb_without_arguments_prints_its_help() -> None:
    result = bisenet('compare')
    assert result.exit_code == 2
    assert 'Usage: bisenet compare' in result.output
    assert 'bisenet: ' not in result.output


def test_bad_input_is_one_line(tmp_path: Path) -> None:
    result = bisenet_process('info', str(tmp_path / 'nowhere.safetensors'))
    assert (result.returncode, result.stdout) == (2, '')
    assert result.stderr.startswith('bisenet: ')
    assert len(result.stderr.splitlines()) == 1


def test_a_wrong_choice_is_one_line(tmp_path: Path) -> None:
    output = str(tmp_path / 'model.onnx')
    for option, choice in (('--format', 'openvino'), ('--precision', 'fp32')):
        result = bisenet('export', '-o', output, option, 'int4')
        assert result.exit_code == 2
        (line,) = result.stderr.splitlines()
        assert line.startswith(f"bisenet: Invalid value for '{option}'")
        assert "'int4'" in line
        assert f"'{choice}'" in line
        assert line.endswith('; see bisenet export --help')


@pytest.mark.parametrize(
    'arguments',
    [
        ('info', 'nowhere.safetensors', '--json'),
        ('segment', 'nowhere.png', '-o', 'out', '--json'),
        ('evaluate', '--data', 'nowhere', '--json'),
        ('export', '--weights', 'nowhere.safetensors', '-o', 'model.onnx', '--json'),
        ('export', '--weights', 'nowhere.safetensors', '-o'),
        ('import', 'nowhere.pth', '-o'),
        ('benchmark', '--weights', 'nowhere.safetensors', '--plot'),
        ('demo', '--source', 'nowhere', '--json'),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_before_anything_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path('file').touch()
    result = bisenet(*arguments, 'file/results')
    assert result.exit_code == 2
    assert result.stderr == 'bisenet: file/results: Not a directory\n'
    assert [path.name for path in tmp_path.iterdir()] == ['file']


def test_starting_up_imports_no_heavy_library() -> None:
    heavy = {'torch', 'cv2', 'numpy', 'rosbags', 'rclpy', 'rich.table'}
    code = 'import sys, json, bisenet_ros.cli; print(json.dumps(list(sys.modules)))'
    output = subprocess.run([sys.executable, '-c', code], capture_output=True, check=True).stdout
    assert heavy.isdisjoint(json.loads(output))


def test_without_the_offline_tools_it_says_what_to_install() -> None:
    code = 'import sys; sys.modules["typer"] = None; import bisenet_ros.cli'
    result = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=False
    )
    assert result.returncode != 0
    assert result.stderr == f'bisenet: typer is not installed: {advice(*EXTRAS["tools"])}\n'


def test_a_verb_says_what_it_needs() -> None:
    code = (
        'import sys; from bisenet_ros.cli import main; sys.modules["rosbags"] = None;'
        'sys.argv = ["bisenet", "record", "frames", "-o", "bag"]; main()'
    )
    result = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert result.stderr == f'bisenet: rosbags is not installed: {advice(*EXTRAS["tools"])}\n'


def test_info_shows_classes_and_accuracy(tmp_path: Path) -> None:
    weights = save_tiny_checkpoint(tmp_path / 'tiny.safetensors')
    result = bisenet('info', weights)
    assert result.exit_code == 0, result.output
    for text in ('bisenetv2', '128 x 96', 'bicyclist', '60  40 222', 'miou', '1.23 %', 'untrained'):
        assert text in result.stdout


def test_info_shows_the_whole_path(tmp_path: Path) -> None:
    folder = tmp_path / ('x' * 100)
    folder.mkdir()
    weights = save_tiny_checkpoint(folder / 'my weights.safetensors')
    result = bisenet('info', weights, COLUMNS='80')
    assert str(weights).replace(' ', '') in ''.join(result.stdout.split())


def test_info_for_machines(tmp_path: Path) -> None:
    weights = save_tiny_checkpoint(tmp_path / 'tiny.safetensors')
    checkpoint = Checkpoint.load(weights)
    provenance = {'epochs': [1, math.nan], 'rate': math.inf, 'file': '\udcff'}
    replace(checkpoint, provenance=provenance).save(weights)
    result = bisenet('info', weights, '--json', '-')
    facts = json.loads(result.stdout)
    assert facts['provenance'] == {'epochs': [1, None], 'rate': None, 'file': r'\udcff'}
    assert facts['network'] == 'bisenetv2'
    assert facts['network_size'] == [128, 96]
    assert facts['label_space']['drivable'] == ['road']
    assert facts['accuracy']['camvid val']['miou'] == 0.0123


@pytest.mark.parametrize(
    'arguments',
    [
        ['info', 'tiny.safetensors'],
        ['info', 'tiny.safetensors', '--json', '-'],
        ['--version'],
        ['--help'],
        ['info', '--help'],
    ],
)
@pytest.mark.parametrize('unbuffered', ['', '1'])
def test_a_full_disk_behind_standard_output(
    tmp_path: Path, arguments: list[str], unbuffered: str
) -> None:
    weights = save_tiny_checkpoint(tmp_path / 'tiny.safetensors')
    arguments = [str(weights) if one == weights.name else one for one in arguments]
    with open('/dev/full', 'wb') as full:
        result = bisenet_process(
            *arguments, stdout=full, env={**os.environ, 'PYTHONUNBUFFERED': unbuffered}
        )
    assert result.stderr == 'bisenet: the output cannot be written: No space left on device\n'
    assert result.returncode == 2


def test_names_that_standard_output_cannot_express(tmp_path: Path) -> None:
    weights = save_tiny_checkpoint(tmp_path / 'Straße.中.safetensors')
    ascii_only = {**os.environ, 'PYTHONIOENCODING': 'ascii', 'COLUMNS': '300'}
    assert r'Stra\xdfe.\u4e2d' in bisenet_process('info', str(weights), env=ascii_only).stdout
    facts = json.loads(bisenet_process('info', str(weights), '--json', '-', env=ascii_only).stdout)
    assert facts['path'] == str(weights)


def test_ctrl_c_ends_without_a_traceback(tmp_path: Path) -> None:
    # A pipe that nobody writes to keeps the verb reading until it is interrupted.
    pipe = tmp_path / 'pipe.yaml'
    os.mkfifo(pipe)
    command = [sys.executable, '-m', 'bisenet_ros.cli', 'segment', 'street.png', '-o', 'out']
    command += ['--params', str(pipe)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    # Opening a pipe for writing waits for its reader: from here on the verb is at work.
    with process, pipe.open('wb'):
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=240)
    assert process.returncode == 130
    assert 'Traceback' not in errors


def test_ctrl_c_while_the_verbs_load_ends_without_a_traceback(tmp_path: Path) -> None:
    # A library that the command line imports takes for ever here.
    (tmp_path / 'typer.py').write_text(
        "import signal\nprint('loading', flush=True)\nsignal.pause()"
    )
    process = subprocess.Popen(
        [sys.executable, '-m', 'bisenet_ros', 'info'],
        env={**os.environ, 'PYTHONPATH': f'{tmp_path}:{Path(__file__).parents[1]}'},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == 'loading\n'
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=240)
    assert process.returncode == 130
    assert errors == ''


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_a_library_catches_in_its_import_ends_the_verb(
    number: signal.Signals, tmp_path: Path
) -> None:
    (tmp_path / 'cv2.py').write_text(
        'import signal\n'
        f'try:\n    signal.raise_signal({int(number)})\n'
        'except BaseException:\n    raise ImportError("incomplete") from None\n'
    )
    ended = subprocess.run(
        [sys.executable, '-m', 'bisenet_ros', 'record', str(tmp_path), '-o', 'bag'],
        env={**os.environ, 'PYTHONPATH': f'{tmp_path}:{Path(__file__).parents[1]}'},
        stderr=subprocess.PIPE,
        text=True,
        timeout=240,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (128 + number, '')


def test_ctrl_c_before_a_verb_begins_ends_without_a_traceback() -> None:
    program = (
        'import signal\n'
        'from bisenet_ros import __main__, cli\n'
        'cli.app = lambda **_: signal.raise_signal(signal.SIGINT)\n'
        '__main__.main()\n'
    )
    ended = subprocess.run(
        [sys.executable, '-c', program], stderr=subprocess.PIPE, text=True, timeout=240, check=False
    )
    assert (ended.returncode, ended.stderr) == (130, '')
