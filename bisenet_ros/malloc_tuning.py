# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sets memory allocation and threads of a process so that a network runs well on its CPU.

The settings are the whole process's, so they are for programs, the node above all: no library
makes them for others. What a user has set in the environment wins.
"""

from __future__ import annotations

import ctypes
import os
import sys

# From glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -2, -4, -8
_TOP_PAD = 64 * 2**20
_NEVER = 2**31 - 1


def prepare_process() -> None:
    """Make a program's settings; call it at its start, before torch and rclpy are imported.

    Between parallel stretches, OpenMP's threads spin for milliseconds, which helps them only where
    nobody else wants the cores. Beside cameras, DDS and whatever else a vehicle runs it makes a
    frame take many times as long, so they are told to sleep.
    """
    os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')
    if not malloc_settings():
        keep_freed_memory()


def malloc_settings() -> dict[str, str]:
    """What the user has set of malloc in the environment."""
    return {
        name: value
        for name, value in os.environ.items()
        if name == 'GLIBC_TUNABLES' or name.startswith('MALLOC_')
    }


def keep_freed_memory() -> bool:
    """Let glibc keep large freed blocks for the next inference.

    By default every feature map of more than some megabytes is fetched from the kernel, page fault
    by page fault, and given back when it is freed: for each layer, in each inference. That is up to
    half of a network's time. Instead the process keeps the most that it ever had at once.

    It must run before threads are started, for these are then to share one heap.

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
