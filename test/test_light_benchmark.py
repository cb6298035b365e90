# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""benchmarks/light.py measures like `bisenet evaluate`, and changes images as it says."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from small_datasets import make_camvid_tree

pytest.importorskip('pydantic', reason='needs the extra train')

from bisenet_ros.model_settings import ModelSettings
from bisenet_ros.segmenter import Segmenter
from bisenet_training.datasets.camvid import CamvidSettings
from bisenet_training.evaluation import evaluate

ROOT = Path(__file__).parents[1]
LIGHT = runpy.run_path(str(ROOT / 'benchmarks' / 'light.py'))


def test_its_figures_are_those_of_evaluate(
    weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_camvid_tree(tmp_path, train=0, val=2)
    settings = ModelSettings(weights=str(weights))
    dataset = CamvidSettings(root=tmp_path, split='val').open()
    expected = evaluate(Segmenter.from_settings(settings), dataset).figures()['miou']
    arguments = ['light', str(tmp_path), '--weights', str(weights), '--frames', '1']
    monkeypatch.setattr(sys, 'argv', arguments)
    monkeypatch.syspath_prepend(ROOT)
    runpy.run_module('benchmarks.light', run_name='__main__')
    row = capsys.readouterr().out.splitlines()[-1].split(' | ')
    assert len(row) == len(LIGHT['CHANGES']) + 2
    assert row[1] == f'{expected:.2%}'


def test_every_change_changes_and_keeps_the_shape() -> None:
    image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    for change in LIGHT['CHANGES']:
        changed = change(image)
        assert (changed.shape, changed.dtype) == (image.shape, image.dtype), change
        assert np.array_equal(changed, image) is (change is LIGHT['unchanged']), change
    grey = np.full((2, 2, 3), 100, np.uint8)
    assert LIGHT['warm'](grey)[0, 0].tolist() == [75, 100, 120]
    assert LIGHT['cool'](grey)[0, 0].tolist() == [125, 100, 80]
    assert LIGHT['darker'](grey)[0, 0].tolist() == 3 * [34]
