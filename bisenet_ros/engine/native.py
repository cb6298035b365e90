# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Loads the C library of this package: `_tasks.c` and the functions that it runs."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL | None:
    """Loads what was compiled from the C files in this folder at installation; None if missing."""
    path = Path(__file__).with_name('_native.so')
    return ctypes.CDLL(str(path)) if path.exists() else None


Tasks = Callable[[ctypes.Structure, int, int], None]
"""Runs a job, given by the structure that the C function takes, as a number of tasks on a number of
threads. The caller's thread is one of them. The interpreter lock is released meanwhile."""


@lru_cache
def tasks(name: str) -> Tasks | None:
    """Returns the named C function; None if missing: not every compiler can build all of them."""
    native = library()
    if native is None or not hasattr(native, name):
        return None
    native.run_tasks.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_int)
    native.run_tasks.restype = None
    function = ctypes.cast(native[name], ctypes.c_void_p)

    def run(job: ctypes.Structure, count: int, threads: int) -> None:
        native.run_tasks(function, ctypes.byref(job), count, min(threads, count))

    return run
