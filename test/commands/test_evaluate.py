# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`bisenet evaluate` against counting pixels in the label images that `bisenet segment` writes."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny_checkpoint import save_tiny_checkpoint
from typer.testing import CliRunner

from bisenet_ros.cli import app
from bisenet_ros.label_space import CAMVID, IGNORE
from bisenet_training.datasets import CAMVID_VOID

FRAMES = 3


@pytest.fixture
def camvid(tmp_path: Path) -> Path:
    root = tmp_path / 'camvid'
    rng = np.random.default_rng(0)
    for folder in ('val', 'valannot'):
        (root / folder).mkdir(parents=True)
    for index in range(FRAMES):
        image = rng.integers(0, 256, (72, 100, 3), np.uint8)
        labels = rng.integers(0, CAMVID_VOID + 1, (72, 100), np.uint8)
        cv2.imwrite(str(root / 'val' / f'{index}.png'), image)
        cv2.imwrite(str(root / 'valannot' / f'{index}.png'), labels)
    return root


def test_figures_equal_counting_in_the_written_labels(camvid: Path, tmp_path: Path) -> None:
    weights = str(save_tiny_checkpoint(tmp_path / 'tiny.safetensors'))
    common = ['--weights', weights, '--device', 'cpu', '--precision', 'fp32']
    out = tmp_path / 'out'
    segmented = CliRunner().invoke(app, ['segment', str(camvid / 'val'), '-o', str(out), *common])
    assert segmented.exit_code == 0, segmented.output
    evaluated = CliRunner().invoke(
        app, ['evaluate', '--data', str(camvid), '--json', str(tmp_path / 'figures.json'), *common]
    )
    assert evaluated.exit_code == 0, evaluated.output
    assert 'drivable' in evaluated.stdout
    figures = json.loads((tmp_path / 'figures.json').read_text())

    labels = np.stack([cv2.imread(str(out / f'{i}_labels.png'), -1) for i in range(FRAMES)])
    truth = np.stack([cv2.imread(str(camvid / 'valannot' / f'{i}.png'), -1) for i in range(FRAMES)])
    known = truth != CAMVID_VOID
    ious = {}
    for index, name in enumerate(CAMVID.names):
        predicted, true = (labels == index) & known, truth == index
        ious[name] = round(100 * (predicted & true).sum() / (predicted | true).sum(), 2)
    assert figures['iou'] == ious
    assert figures['miou'] == pytest.approx(np.mean(list(ious.values())), abs=0.01)
    assert figures['drivable_iou'] == ious['road']
    assert figures['frames'] == FRAMES
    assert IGNORE not in labels


def test_bad_input_is_one_line(camvid: Path, tmp_path: Path) -> None:
    missing = CliRunner().invoke(app, ['evaluate', '--data', str(camvid), '--split', 'night'])
    assert missing.exit_code == 2
    assert 'there is no folder' in missing.stderr
