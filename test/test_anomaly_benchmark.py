# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""benchmarks/anomaly.py runs, and a higher threshold finds less."""

from __future__ import annotations

import re
import runpy
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from calibrated_checkpoint import save_calibrated_checkpoint
from small_datasets import make_camvid_tree

pytest.importorskip('pydantic', reason='needs the extra train')

from bisenet_ros.checkpoint import Checkpoint

ROOT = Path(__file__).parents[1]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Does what `python -m benchmarks.anomaly` does with these arguments."""
    monkeypatch.syspath_prepend(ROOT)

    def run(*arguments: str | Path) -> None:
        monkeypatch.setattr(sys, 'argv', ['anomaly', *map(str, arguments)])
        runpy.run_module('benchmarks.anomaly', run_name='__main__')

    return run


def test_shares_of_patch_and_road(
    run: Callable[..., None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_camvid_tree(tmp_path, train=0, val=1, size=(480, 360))
    weights = save_calibrated_checkpoint(tmp_path / 'sure.safetensors')
    checkpoint = Checkpoint.load(weights)
    usual = checkpoint.max_logits
    assert usual is not None
    # Were logits usually this high, the frame would have anomalies from low to high.
    higher = tuple(mean + 3 * std for mean, std in zip(usual.mean, usual.std, strict=True))
    replace(checkpoint, max_logits=replace(usual, mean=higher)).save(weights)
    run(tmp_path, '--weights', weights)
    rows = re.findall(r'\| (0\.\d) \| ([\d.]+) % \| ([\d.]+) % \|', capsys.readouterr().out)
    assert [threshold for threshold, *_ in rows] == ['0.2', '0.3', '0.4', '0.5']
    for column in (1, 2):
        shares = [float(row[column]) for row in rows]
        assert shares == sorted(shares, reverse=True)
        assert 0 <= shares[-1] < shares[0] <= 100


def test_weights_without_statistics_are_refused(
    run: Callable[..., None], weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_camvid_tree(tmp_path, train=0, val=1, size=(480, 360))
    with pytest.raises(SystemExit) as ended:
        run(tmp_path, '--weights', weights)
    assert ended.value.code == 2
    assert 'cannot recognise anomalies' in capsys.readouterr().err
