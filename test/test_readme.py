# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Commands in the documentation: all of them parse, and those of the README run as written."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import click
import cv2
import numpy as np
import pytest
import typer
from command_line import bisenet
from tiny_checkpoint import save_tiny_checkpoint

from bisenet_ros.cli import app
from bisenet_ros.label_space import CAMVID
from bisenet_ros.media import write_image

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md'))]

NOT_HERE = {
    'demo': 'starts processes for a minute; test/commands/test_demo.py runs it',
    'benchmark': 'takes minutes; test/commands/test_benchmark.py runs it',
    'calibrate': 'needs dozens of frames; test/commands/test_calibrate.py runs it',
    'export': 'takes a while; test/training/test_export.py runs it at a smaller size',
    'train': 'takes hours; test/commands/test_train.py runs it',
    'import': 'needs weights that others published; test/importing/ has their layouts',
}
"""Verbs that the README names and that are not run as written."""


def commands(page: Path) -> Iterator[list[str]]:
    """The `bisenet` commands in a page's code blocks, as lists of arguments."""
    text = page.read_text().replace('\\\n', ' ')
    blocks = re.findall(r'^```(?:bash|sh)\n(.*?)^```', text, re.MULTILINE | re.DOTALL)
    lines = [*'\n'.join(blocks).splitlines(), *re.findall(r'^ {4}(\S.*)', text, re.MULTILINE)]
    for line in lines:
        if line.startswith('bisenet '):
            yield shlex.split(re.sub(r' \[-.*?\]', '', line), comments=True)[1:]


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_commands_have_arguments_that_the_verbs_take(page: Path) -> None:
    verbs = typer.main.get_command(app)
    assert isinstance(verbs, click.Group | type(verbs))
    for words in commands(page):
        context = verbs.make_context('bisenet', list(words), resilient_parsing=True)
        name, verb, rest = verbs.resolve_command(context, list(words))
        assert verb is not None, words
        verb.make_context(name, rest, parent=context, resilient_parsing=False)


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the README's commands read."""
    folder = tmp_path_factory.mktemp('readme')
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (4, 64, 96, 3), np.uint8)
    truth = rng.integers(0, len(CAMVID), (4, 64, 96), np.uint8)
    codec = cv2.VideoWriter.fourcc(*'mp4v')
    video = cv2.VideoWriter(str(folder / 'drive.mp4'), codec, 10.0, (96, 64))
    for frame in frames:
        video.write(frame)
    video.release()
    for index, (frame, labels) in enumerate(zip(frames, truth, strict=True)):
        name = f'{index:06}.png'
        for place, pixels in (
            ('photos', frame),
            ('frames', frame),
            ('truth', labels),
            ('camvid/val', frame),
            ('camvid/valannot', labels),
        ):
            (folder / place).mkdir(parents=True, exist_ok=True)
            write_image(folder / place / name, pixels)
    weights = save_tiny_checkpoint(folder / 'tiny.safetensors')
    (folder / 'car.yaml').write_text(
        f'/**:\n  ros__parameters:\n    weights: {weights}\n    min_drivable_area: 0.01\n'
    )
    (folder / 'scenario.yaml').write_text(
        'bags:\n  - path: bag\ncriteria:\n  - {figure: drivable_fraction, at_least: 0.0}\n'
    )
    return folder


@pytest.mark.slow
def test_the_readmes_commands_run_as_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = list(commands(ROOT / 'README.md'))
    assert {words[0] for words in found} >= {'segment', 'replay', *NOT_HERE}
    monkeypatch.chdir(folder)
    for words in found:
        if words[0] in NOT_HERE:
            continue
        done = bisenet(*words)
        assert done.exit_code == 0, f'bisenet {shlex.join(words)}: {done.output}'


@pytest.mark.parametrize('page', ['README.md', 'docs/python.md'])
def test_python_runs_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str) -> None:
    monkeypatch.chdir(tmp_path)
    frame = np.zeros((64, 96, 3), np.uint8)
    write_image(tmp_path / 'street.jpg', frame)
    names = SimpleNamespace(frame=frame, front=frame, left=frame)
    for block in re.findall(r'^```python\n(.*?)^```', (ROOT / page).read_text(), re.M | re.S):
        exec(block, vars(names))  # noqa: S102
    assert names.result.labels.shape == names.left.labels.shape == (64, 96)
