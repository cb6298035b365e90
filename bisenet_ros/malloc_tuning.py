# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Makes glibc keep memory between inferences, and return it when it is asked to."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable

# From glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -2, -4, -8
_TOP_PAD = 64 * 2**20
_NEVER = 2**31 - 1

_kept = False  # by `keep_freed_memory`; the C library cannot be asked


def malloc_settings() -> dict[str, str]:
    """Returns the environment variables that configure malloc."""
    return {name: value for name, value in os.environ.items() if _configures_malloc(name)}


def environment_without_malloc_settings() -> dict[str, str]:
    """Returns the environment of this process without them, for a process under test."""
    return {name: value for name, value in os.environ.items() if not _configures_malloc(name)}


def keep_freed_memory() -> bool:
    """Makes glibc keep large freed blocks for the next inference.

    By default, every feature map of more than some megabytes is allocated from the kernel, page
    fault by page fault, and returned when it is freed, for each layer in each inference. That takes
    up to half of a network's time. With these settings, the process keeps its peak memory until it
    calls `return_free_memory`.

    Call it before threads are started, because they must share one heap.

    Returns:
        Whether the C library has these settings and accepted them; later, `freed_memory_is_kept`.
    """
    global _kept
    mallopt = _of_c_library('mallopt')
    _kept = mallopt is not None and all(
        mallopt(setting, value) == 1
        for setting, value in (
            (_M_MMAP_MAX, 0),
            (_M_TRIM_THRESHOLD, _NEVER),
            (_M_TOP_PAD, _TOP_PAD),
            (_M_ARENA_MAX, 1),  # only the main heap may grow without bounds
        )
    )
    return _kept


def freed_memory_is_kept() -> bool:
    """Returns whether `keep_freed_memory` has succeeded in this process."""
    return _kept


def return_free_memory() -> None:
    """Returns the heap's free pages to the system; does nothing if the C library is not glibc.

    The next inference fetches the pages that it needs once more, so call it when a network was
    loaded or freed, not between frames.
    """
    malloc_trim = _of_c_library('malloc_trim')
    if malloc_trim is not None:
        malloc_trim(ctypes.c_size_t(0))


def _configures_malloc(variable: str) -> bool:
    return variable == 'GLIBC_TUNABLES' or variable.startswith('MALLOC_')


def _of_c_library(name: str) -> Callable[..., int] | None:
    """Returns a function of the C library; None where it has none of that name, or off Linux."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == 'linux' else None
