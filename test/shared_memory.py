# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Removes shared memory of Fast DDS whose process was killed, as `fastdds shm clean` does.

Each killed node leaves a segment of 64 MB, which takes main memory until the next start, and ports.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

FOLDER = Path('/dev/shm')  # noqa: S108 Fast DDS has no other
_LOCK = '_el'  # ends the name of the file that the owner of a segment or a port locks
_SETTLED = 60.0  # seconds; a younger one may be about to be locked


def remove_abandoned(folder: Path = FOLDER) -> list[str]:
    """Removes this user's segments and ports that no process holds; returns their names."""
    removed = []
    for lock in folder.glob(f'fastdds_*{_LOCK}'):
        held = lock.with_name(lock.name.removesuffix(_LOCK))
        try:
            with lock.open() as file:
                status = os.fstat(file.fileno())
                if status.st_uid != os.getuid() or time.time() - status.st_mtime < _SETTLED:
                    continue
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                held.unlink(missing_ok=True)
                held.with_name(f'sem.{held.name}_mutex').unlink(missing_ok=True)  # of a port
                lock.unlink()
        except (BlockingIOError, FileNotFoundError):  # in use, or removed by its owner just now
            continue
        removed.append(held.name)
    return removed
