# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Prepares a process so that a network runs well on its CPU.

The settings affect the whole process, so only programs apply them, mainly the node; a library
should not. Environment variables set by the user take precedence.
"""

from __future__ import annotations

import os

from bisenet_ros.malloc_tuning import keep_freed_memory, malloc_settings
from bisenet_ros.time_slices import ask_for_short_slices


def prepare_process() -> None:
    """Applies a program's settings; call it at start, before torch and rclpy are imported.

    Between parallel regions, OpenMP threads spin for milliseconds, which is useful only if no other
    process needs the cores. Beside the other processes of a vehicle, such as cameras and DDS,
    spinning makes a frame take many times as long, so the threads are told to sleep.
    """
    os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')
    ask_for_short_slices()
    if not malloc_settings():
        keep_freed_memory()
