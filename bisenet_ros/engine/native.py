# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The C library of this package, and threads to run it on."""

from __future__ import annotations

import ctypes
import itertools
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch


@lru_cache(maxsize=1)
def library() -> ctypes.CDLL | None:
    """What was compiled from the C files beside this one at installation, if it was."""
    path = Path(__file__).with_name('_native.so')
    return ctypes.CDLL(str(path)) if path.exists() else None


JobFunction = Callable[[Any, int, int], None]
"""Does a part of a job: of a C structure by reference, what is numbered from `first` to before
`last`."""


@lru_cache
def job_function(name: str) -> JobFunction | None:
    """A function of the library, if it is there: not every compiler can build all of them."""
    native = library()
    if native is None or not hasattr(native, name):
        return None
    function = native[name]
    function.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_int)
    function.restype = None
    return function


def share_out(
    tasks: int, work: Callable[[int, Iterator[int]], None], max_threads: int | None = None
) -> None:
    """Let threads take tasks until there are none left.

    ctypes gives up the interpreter lock while a function of the library runs. The threads are our
    own: a second OpenMP runtime beside torch's would fight it for the cores.

    Args:
        tasks: How many there are.
        work: Called once in each thread, with the number of the thread and an iterator of which
            each number from 0 to `tasks` - 1 goes to exactly one thread.
        max_threads: Where more of them than this do not help; otherwise as many as torch has.
    """
    threads = min(torch.get_num_threads(), tasks, max_threads or tasks)
    numbers = itertools.count()  # whose next() is atomic

    def remaining() -> Iterator[int]:
        while (number := next(numbers)) < tasks:
            yield number

    helpers = [_pool().submit(work, thread, remaining()) for thread in range(1, threads)]
    work(0, remaining())  # the calling thread is one of them
    for helper in helpers:
        helper.result()


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix='bisenet_native')
