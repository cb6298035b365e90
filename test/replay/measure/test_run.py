# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A replay into the folder of an earlier one."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_bags import drive, write_bag

from bisenet_ros.bag.reader import ReplayBag
from bisenet_ros.replay.measure.run import RESULTS, replay
from bisenet_ros.segmenter import Segmenter
from bisenet_ros.settings import Settings


def test_an_interrupted_replay_leaves_nothing_of_an_earlier_one(
    tmp_path: Path, segmenter: Segmenter
) -> None:
    bag, output = ReplayBag(write_bag(tmp_path / 'bag', drive(3))), tmp_path / 'out'
    output.mkdir()
    replay(bag, segmenter, Settings(), output, lambda: None)
    assert {path.name for path in output.iterdir()} == set(RESULTS)

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replay(bag, segmenter, Settings(), output, interrupt)
    (lines,) = output.iterdir()
    assert lines.name == 'frames.jsonl'
    assert len(lines.read_text().splitlines()) == 1


def test_no_room_for_a_video(tmp_path: Path, segmenter: Segmenter) -> None:
    output, full = tmp_path / 'out', tmp_path / 'out' / 'overlay_rear.webm'
    output.mkdir()

    def advance() -> None:  # after a frame of the front camera, before that of the rear one
        if not full.is_symlink():
            full.symlink_to('/dev/full')

    bag = ReplayBag(write_bag(tmp_path / 'bag', [*drive(1, '/front'), *drive(1, '/rear')]))
    result = replay(bag, segmenter, Settings(), output, advance, video=True)
    (problem,) = result.problems
    assert problem.startswith(f'{full}: the end of the video is missing')
    assert result.metrics['evaluated_frames'] == 2
