# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The suite leaves no shared memory of nodes that it kills."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from shared_memory import remove_abandoned


def segment(folder: Path, name: str, age: float) -> Path:
    for path in (folder / name, folder / f'{name}_el'):
        path.touch()
        os.utime(path, (time.time() - age,) * 2)
    return folder / name


def test_only_what_nobody_holds_is_removed(tmp_path: Path) -> None:
    abandoned = segment(tmp_path, 'fastdds_0123456789abcdef', age=100)
    port = segment(tmp_path, 'fastdds_port7411', age=100)
    (tmp_path / 'sem.fastdds_port7411_mutex').touch()
    held = segment(tmp_path, 'fastdds_fedcba9876543210', age=100)
    young = segment(tmp_path, 'fastdds_00000000000000ff', age=0)
    other = segment(tmp_path, 'sem.fastdds', age=100)
    with Path(f'{held}_el').open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert set(remove_abandoned(tmp_path)) == {abandoned.name, port.name}
    left = {path.name.removesuffix('_el') for path in tmp_path.iterdir()}
    assert left == {path.name for path in (held, young, other)}
