# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The C library: its threads, in processes that fork too, other CPUs, and life without it."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from bisenet_ros.engine import native, winograd
from bisenet_ros.engine import upsample_argmax as upsampling
from bisenet_ros.engine.upsample_argmax import argmax_in_torch, upsample_argmax
from bisenet_ros.segmenter import Segmenter

ROOT = Path(__file__).parents[2]
COMPILER = 'aarch64-linux-gnu-gcc'

needs_library = pytest.mark.skipif(native.library() is None, reason='needs the C library')

SIZE, SCALE = (320, 240), (8.0, 8.0)


def make_logits(seed: int) -> torch.Tensor:
    return torch.randn(7, 40, 30, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def four_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


@needs_library
@pytest.mark.usefixtures('four_threads')
def test_callers_at_the_same_time_get_each_their_own() -> None:
    logits = [make_logits(seed) for seed in range(8)]
    expected = [argmax_in_torch(each, SIZE, SCALE).numpy() for each in logits]

    def draw_often(index: int) -> bool:
        return all(
            np.array_equal(upsample_argmax(logits[index], SIZE, SCALE), expected[index])
            for _ in range(50)
        )

    with ThreadPoolExecutor(len(logits)) as callers:
        assert all(callers.map(draw_often, range(len(logits))))


@needs_library
@pytest.mark.usefixtures('four_threads')
def test_fewer_tasks_than_threads() -> None:
    logits = make_logits(0)[:, :1, :2]
    labels = upsample_argmax(logits, (8, 16), SCALE)
    np.testing.assert_array_equal(labels, argmax_in_torch(logits, (8, 16), SCALE).numpy())


@needs_library
def test_a_forked_process_starts_threads_of_its_own() -> None:
    script = """if True:
        import os
        import numpy as np
        import torch
        from bisenet_ros.engine.upsample_argmax import upsample_argmax

        torch.set_num_threads(4)
        logits = torch.randn(7, 40, 30)
        labels = upsample_argmax(logits, (320, 240), (8.0, 8.0))
        child = os.fork()
        same = np.array_equal(upsample_argmax(logits, (320, 240), (8.0, 8.0)), labels)
        if child == 0:
            os._exit(0 if same else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert same
    """
    result = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', script], capture_output=True, text=True, timeout=240
    )
    assert result.returncode == 0, result.stderr


@needs_library
def test_what_the_library_lacks_is_none() -> None:
    assert native.tasks('winograd_of_another_cpu') is None


@pytest.fixture
def without_library(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    native.tasks.cache_clear()
    monkeypatch.setattr(native, 'library', lambda: None)
    yield
    native.tasks.cache_clear()


@pytest.mark.parametrize('engine', ['torch', 'openvino'])
def test_everything_runs_without_it(
    engine: str, weights: Path, request: pytest.FixtureRequest
) -> None:
    if find_spec(engine) is None:
        pytest.skip('needs OpenVINO')
    frame = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)

    def load() -> Segmenter:
        return Segmenter.load(weights, device='cpu', precision='fp32', engine=engine)

    expected = load()(frame)
    request.getfixturevalue('without_library')
    assert upsampling.backend() == 'torch'
    assert winograd.kernel_for('fp32') is None
    found = load()(frame)
    assert np.mean(found.labels != expected.labels) < 0.001
    assert np.abs(found.confidence.astype(int) - expected.confidence).max() <= 1


@pytest.mark.skipif(shutil.which(COMPILER) is None, reason=f'needs {COMPILER}')
def test_it_compiles_for_arm(tmp_path: Path) -> None:
    library = tmp_path / 'native.so'
    sources = sorted(map(str, (ROOT / 'bisenet_ros/engine').glob('*.c')))
    strict = ('-Wall', '-Wextra', '-Wshadow', '-Wconversion', '-Wno-sign-conversion', '-Werror')
    subprocess.run([COMPILER, *c_flags(), *strict, *sources, '-o', str(library)], check=True)
    command = ['aarch64-linux-gnu-nm', '--dynamic', '--defined-only', str(library)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    functions = {line.split()[-1] for line in result.stdout.splitlines()}
    assert {'run_tasks', 'upsample_argmax', 'upsample_confidence'} <= functions


def c_flags() -> list[str]:
    """Those of setup.py, which installs where it is imported."""
    module = ast.parse((ROOT / 'setup.py').read_text())
    (flags,) = (
        statement.value
        for statement in module.body
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == 'C_FLAGS'
    )
    return list(ast.literal_eval(flags))
