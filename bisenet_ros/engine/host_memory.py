# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How the process keeps its memory: on the CPU, half of a network's time may go into getting it."""

from __future__ import annotations

import ctypes
import sys

# From glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -2, -4, -8
_TOP_PAD = 64 * 2**20
_NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let glibc keep large freed blocks for the next inference; a program calls it at its start.

    By default, every feature map of more than some megabytes is fetched from the kernel, page
    fault by page fault, and given back when it is freed: for each layer, in each inference. The
    process keeps the most that it ever had at once instead. That changes the whole process, so it
    is for programs, the node above all, and nothing that a library does. It must run before
    threads are started, for these are then to share one heap.

    Returns:
        Whether this C library has such settings and took them.
    """
    if sys.platform != 'linux':
        return False
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    return mallopt is not None and all(
        mallopt(setting, value) == 1
        for setting, value in (
            (_M_MMAP_MAX, 0),
            (_M_TRIM_THRESHOLD, _NEVER),
            (_M_TOP_PAD, _TOP_PAD),
            (_M_ARENA_MAX, 1),  # only the main heap may grow without bounds
        )
    )
