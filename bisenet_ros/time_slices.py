# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Asks Linux to schedule a process in short time slices, which shortens frames on a busy CPU.

All threads share the work of each layer, and the layer ends with the last of them. On a busy CPU, a
thread that wakes up for its part waits until another process has used up its slice, often some
milliseconds. Linux 6.12 and newer (EEVDF) let a thread with a shorter slice run at once. Its share
of the CPU stays the same.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys

_SLICE_NS = 100_000
"""Length of a slice in nanoseconds: the shortest that Linux accepts."""

_CALLS = {'x86_64': (315, 314), 'aarch64': (275, 274)}
"""Numbers of the system calls sched_getattr and sched_setattr; old C libraries have neither."""


class _SchedulingAttributes(ctypes.Structure):
    """`struct sched_attr` of Linux in its first version."""

    _fields_ = (
        ('size', ctypes.c_uint32),
        ('policy', ctypes.c_uint32),
        ('flags', ctypes.c_uint64),
        ('nice', ctypes.c_int32),
        ('priority', ctypes.c_uint32),
        ('runtime', ctypes.c_uint64),
        ('deadline', ctypes.c_uint64),
        ('period', ctypes.c_uint64),
    )


def ask_for_short_slices() -> bool:
    """Asks for short slices for this thread and for the threads and processes that it will start.

    Another scheduling policy than the usual one was chosen by the user and is left alone, and so is
    the priority. Linux before 6.12 accepts the request without an effect.

    Returns:
        Whether the system accepted the request.
    """
    if sys.platform != 'linux' or platform.machine() not in _CALLS:
        return False
    call = ctypes.CDLL(None).syscall
    number_of_get, number_of_set = map(ctypes.c_long, _CALLS[platform.machine()])
    attributes = _SchedulingAttributes()
    size = ctypes.sizeof(attributes)
    this_thread, no_flags = ctypes.c_int(0), ctypes.c_uint(0)
    if call(number_of_get, this_thread, ctypes.byref(attributes), ctypes.c_uint(size), no_flags):
        return False
    if attributes.policy != os.SCHED_OTHER:
        return False
    attributes.runtime = _SLICE_NS
    return not call(number_of_set, this_thread, ctypes.byref(attributes), no_flags)
