# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A replay keeps no frame: what memory it needs does not depend on how long the bag is."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from small_bags import STEP, drive, write_bag

from bisenet_ros.checkpoint import Checkpoint

# The command line; at its end, it prints the most bytes that it had in memory.
PROGRAM = """
import atexit
import runpy
from bisenet_ros.benchmark.first_labels import peak_memory
atexit.register(lambda: print(peak_memory()))
runpy.run_module('bisenet_ros.cli', run_name='__main__')
"""


def peak_of_replay(weights: Path, bag: Path, output: Path) -> int:
    """The most bytes that a replay in a process of its own had in memory."""
    command = ['replay', bag, '-o', output, '--weights', weights, '--device', 'cpu']
    done = subprocess.run(
        [sys.executable, '-c', PROGRAM, *map(str, command)],
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout.splitlines()[-1])


def enlarged(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return pixels.repeat(7, axis=0).repeat(7, axis=1)


@pytest.mark.slow
def test_a_long_bag_needs_no_more_memory_than_a_short_one(weights: Path, tmp_path: Path) -> None:
    tiny = tmp_path / 'tiny.safetensors'
    replace(Checkpoint.load(weights), network_size=(32, 32)).save(tiny)
    # Large enough for the frames of the long bag to outweigh how much peaks differ by chance.
    few = [entry._replace(pixels=enlarged(entry.pixels)) for entry in drive(25)]
    many = [e._replace(stamp=e.stamp + 25 * lap * STEP) for lap in range(10) for e in few]
    short, long = (
        peak_of_replay(tiny, write_bag(tmp_path / name, entries), tmp_path / f'{name} results')
        for name, entries in (('short', few), ('long', many))
    )
    pixels = sum(entry.pixels.nbytes for entry in many[len(few) :])
    assert long - short < pixels / 2
