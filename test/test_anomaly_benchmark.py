# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""benchmarks/anomaly.py runs, and a higher threshold finds less."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from calibrated_checkpoint import save_calibrated_checkpoint
from small_datasets import make_camvid_tree

pytest.importorskip('pydantic', reason='needs the extra train')

ROOT = Path(__file__).parents[1]


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, '-m', 'benchmarks.anomaly', *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_shares_of_patch_and_road(tmp_path: Path) -> None:
    make_camvid_tree(tmp_path, train=0, val=1, size=(480, 360))
    weights = save_calibrated_checkpoint(tmp_path / 'sure.safetensors')
    done = run(tmp_path, '--weights', weights)
    assert done.returncode == 0, done.stderr
    rows = re.findall(r'\| (0\.\d) \| ([\d.]+) % \| ([\d.]+) % \|', done.stdout)
    assert [threshold for threshold, *_ in rows] == ['0.2', '0.3', '0.4', '0.5']
    for column in (1, 2):
        shares = [float(row[column]) for row in rows]
        assert shares == sorted(shares, reverse=True)
        assert 0 <= shares[-1] <= shares[0] <= 100


def test_weights_without_statistics_are_refused(weights: Path, tmp_path: Path) -> None:
    make_camvid_tree(tmp_path, train=0, val=1, size=(480, 360))
    done = run(tmp_path, '--weights', weights)
    assert done.returncode == 2
    assert 'cannot recognise anomalies' in done.stderr
