# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The table of engines, which the node reads before it has torch."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec

import pytest

from bisenet_ros.engine.registry import ENGINES, PLAIN, candidates, device_for, engine_choices


def test_the_names_are_there_without_any_engine() -> None:
    script = (
        'import sys; from bisenet_ros.engine.registry import engine_choices; '
        'print(*engine_choices(), *sys.modules)'
    )
    printed = subprocess.run([sys.executable, '-c', script], stdout=-1, text=True, check=True)
    words = printed.stdout.split()
    assert words[: len(ENGINES) + 1] == ['auto', *ENGINES] == [*engine_choices()]
    assert {'torch', 'numpy', 'openvino', 'triton'}.isdisjoint(words[len(ENGINES) + 1 :])


@pytest.mark.parametrize('name', ENGINES)
def test_every_entry_leads_to_an_engine_of_that_name(name: str) -> None:
    entry = ENGINES[name]
    if entry.extra is not None and find_spec(entry.extra) is None:
        pytest.skip(f'needs the extra {entry.extra}')
    assert getattr(import_module(entry.module), entry.constructor).name == name


def test_what_all_others_fall_back_to_runs_everywhere_and_comes_last() -> None:
    kinds = {kind for entry in ENGINES.values() for kind in entry.device_types}
    assert set(ENGINES[PLAIN].device_types) == kinds
    for kind in kinds:
        assert candidates(kind)[-1] == PLAIN
    assert candidates('cpu') == ['openvino', 'torch']
    assert candidates('cuda') == ['cuda', 'torch']


@pytest.mark.parametrize(
    ('engine', 'device', 'asked'),
    [
        ('openvino', 'auto', 'cpu'),
        ('openvino', 'cuda:1', 'cuda:1'),
        ('torch', 'auto', 'auto'),
        ('auto', 'auto', 'auto'),
        ('cuda', 'auto', 'auto'),
        ('unknown', 'auto', 'auto'),
    ],
)
def test_an_engine_for_cpus_takes_the_cpu(engine: str, device: str, asked: str) -> None:
    assert device_for(engine, device) == asked
