# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Holds the one OpenVINO core of a process."""

from __future__ import annotations

from functools import lru_cache

import openvino as ov


@lru_cache(maxsize=1)
def core() -> ov.Core:
    """The one core of this process, which is never given back.

    The CPU plugin of a core gives the thread that loads it a stack for signals, and puts back the
    one from before when it goes. Where cores come and go, that is the stack of a plugin which has
    gone already, and the next signal, Ctrl-C say, is a segmentation fault.
    """
    return ov.Core()
