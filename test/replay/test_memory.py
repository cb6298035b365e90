# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A replay keeps no frame: what memory it needs does not depend on how long the bag is."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from small_bags import STEP, drive, write_bag

from bisenet_ros.checkpoint import Checkpoint


def peak_of_replay(weights: Path, bag: Path, output: Path) -> int:
    """The most bytes that a replay in a process of its own had in memory."""
    command = ['replay', bag, '-o', output, '--weights', weights, '--device', 'cpu']
    process = subprocess.Popen(
        [sys.executable, '-m', 'bisenet_ros.cli', *map(str, command)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss * 1024


@pytest.mark.slow
def test_a_long_bag_needs_no_more_memory_than_a_short_one(weights: Path, tmp_path: Path) -> None:
    tiny = tmp_path / 'tiny.safetensors'
    replace(Checkpoint.load(weights), network_size=(32, 32)).save(tiny)
    few = drive(50)
    many = [e._replace(stamp=e.stamp + 50 * lap * STEP) for lap in range(10) for e in few]
    short, long = (
        peak_of_replay(tiny, write_bag(tmp_path / name, entries), tmp_path / f'{name} results')
        for name, entries in (('short', few), ('long', many))
    )
    pixels = sum(entry.pixels.nbytes for entry in many[len(few) :])
    assert long - short < pixels / 2
