# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A real drive, live: CamVid's validation frames through DDS give what they give offline.

The frames (SegNet's CamVid at 480x360, folders val/ and valannot/) are looked for in the folder
that the environment variable CAMVID names, and in data/camvid.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CAMVID = Path(os.environ.get('CAMVID', Path(__file__).parents[2] / 'data' / 'camvid'))

pytestmark = pytest.mark.skipif(
    not ((CAMVID / 'val').is_dir() and (CAMVID / 'valannot').is_dir()),
    reason='needs val/ and valannot/ of CamVid in the folder that CAMVID names',
)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_live_is_as_good_as_offline(tmp_path: Path) -> None:
    bag, figures = tmp_path / 'bag', tmp_path / 'figures.json'
    for arguments in (
        ['record', CAMVID / 'val', '-o', bag, '--labels', CAMVID / 'valannot', '--rate', 15],
        ['demo', '--source', bag, '-o', tmp_path / 'demo', '--verify', '--json', figures],
    ):
        command = [sys.executable, '-m', 'bisenet_ros.cli', *map(str, arguments)]
        subprocess.run(command, check=True, timeout=280)
    measured = json.loads(figures.read_text())
    frames = measured['frames']
    assert frames['published'] == len(list((CAMVID / 'val').iterdir()))
    assert frames['segmented'] == frames['compared_with_truth'] > 0
    live, offline = measured['accuracy']['miou'], measured['offline']['miou']
    assert 100 * live == pytest.approx(100 * offline, abs=0.01)
    assert measured['accuracy']['drivable_iou'] > 0.5
