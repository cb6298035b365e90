# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whoever is measured runs under its own name; whoever is not has a reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from bisenet_ros.benchmark import candidates
from bisenet_ros.benchmark.baselines import Labeller
from bisenet_ros.benchmark.candidates import Candidates, load_candidates
from bisenet_ros.engine import hardware
from bisenet_ros.engine.registry import ENGINES, EngineEntry
from bisenet_ros.errors import UserError
from bisenet_ros.model_settings import ModelSettings

TORCH = 'bisenet: torch, fp32'


@pytest.fixture(autouse=True)
def others(monkeypatch: pytest.MonkeyPatch) -> dict[str, Callable[[], Labeller]]:
    """The other runtimes, of which there are none unless a test adds some."""
    makers: dict[str, Callable[[], Labeller]] = {}
    monkeypatch.setattr(candidates, '_baselines', lambda *_: makers)
    return makers


def load(weights: Path, engine: str, device: str = 'cpu') -> Candidates:
    return load_candidates(
        ModelSettings(
            weights=str(weights),
            device=device,
            precision='fp32',
            engine=engine,
            network_size=(64, 64),
        )
    )


def test_an_engine_that_another_one_replaces_is_left_out(
    monkeypatch: pytest.MonkeyPatch, weights: Path
) -> None:
    """Also the engine torch, which plain torch replaces under the same name."""
    monkeypatch.setitem(ENGINES, 'torch', EngineEntry('odd_network', 'WrongEngine', ('cpu',)))
    note = 'engine torch gets 100.0 % of the labels of a test frame wrong'
    with pytest.raises(UserError, match=f'^{note}.*: plain torch runs instead$'):
        load(weights, 'torch')
    for name, device_type in (('openvino', 'cuda'), ('cuda', 'cpu')):
        entry = replace(ENGINES[name], device_types=(device_type,))
        monkeypatch.setitem(ENGINES, name, entry)
    found = load(weights, 'auto')
    assert list(found.segmenters) == [found.preferred] == ['bisenet: cuda, fp32']
    assert found.left_out[TORCH].startswith(note)


def test_what_cannot_be_set_up_is_left_out(
    weights: Path, others: dict[str, Callable[[], Labeller]]
) -> None:
    """But for the first one, which the others are compared with."""
    errors = {
        'fresh': ImportError('libonnx.so: undefined symbol\nmore lines'),
        'cut': RuntimeError('Exception from src/inference/core.cpp:\nmore lines'),
        'old': AttributeError("module 'onnx' has no attribute 'x'"),
    }

    def fail(error: Exception) -> Labeller:
        raise error

    others['first'] = lambda: lambda frame: frame
    others.update({name: partial(fail, error) for name, error in errors.items()})
    others['last'] = others['first']
    found = load(weights, 'torch')
    assert list(found.segmenters) == [TORCH]
    assert list(found.baselines) == ['first', 'last']
    assert found.left_out == {
        'fresh': 'libonnx.so: undefined symbol',
        'cut': 'Exception from src/inference/core.cpp:',
        'old': "module 'onnx' has no attribute 'x'",
    }
    del others['first']
    with pytest.raises(ImportError, match='undefined symbol'):
        load(weights, 'torch')


def test_a_gpu_that_torch_cannot_use_leaves_nothing_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, weights: Path
) -> None:
    """The segmenter's note about it is not about the engine."""
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    monkeypatch.setattr(hardware, '_DRIVER_GPUS', tmp_path)
    (tmp_path / '0000:3b:00.0').mkdir()
    assert list(load(weights, 'torch', device='auto').segmenters) == [TORCH]
