# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whoever lacks a package reads what to do, in words that work on the machine at hand."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from bisenet_ros.extras import EXTRAS, advice


def test_extras_are_those_of_the_package() -> None:
    tomllib = pytest.importorskip('tomllib', reason='needs Python 3.11')
    pyproject = Path(__file__).parents[1] / 'pyproject.toml'
    declared = tomllib.loads(pyproject.read_text())['project']['optional-dependencies']
    for extra, packages in EXTRAS.items():
        assert set(packages) == {re.split(r'[\[>=;]', each)[0] for each in declared[extra]}


def test_outside_an_environment_pip_is_not_the_first_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv('CONDA_PREFIX', raising=False)
    monkeypatch.setattr(sys, 'base_prefix', '/usr')
    monkeypatch.setattr(sys, 'prefix', '/home/me/ros2_ws/.venv')
    assert advice('torch') == 'python3 -m pip install torch'
    monkeypatch.setattr(sys, 'prefix', '/usr')
    assert advice('torch', 'rich').startswith('activate the virtual environment')
    assert advice('torch', 'rich').endswith('python3 -m pip install torch rich')
    monkeypatch.setenv('CONDA_PREFIX', '/opt/conda')
    assert advice('torch') == 'python3 -m pip install torch'
