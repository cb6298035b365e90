# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a new process says about itself."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

PROGRAM = 'from bisenet_ros.benchmark.first_labels import peak_memory; print(peak_memory())'


def test_the_memory_of_the_process_that_starts_it_does_not_count() -> None:
    block = np.ones(200_000_000, np.uint8)
    command = [sys.executable, '-c', PROGRAM]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert 1_000_000 < int(printed) < block.nbytes
