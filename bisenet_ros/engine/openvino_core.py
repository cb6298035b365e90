# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Holds the one OpenVINO core of a process."""

from __future__ import annotations

from functools import lru_cache

import openvino as ov


@lru_cache(maxsize=1)
def core() -> ov.Core:
    """Returns the one core of this process, which is never released.

    The CPU plugin of a core sets a signal stack for the thread that loads it, and restores the
    previous one when it is unloaded. If cores come and go, the restored stack may belong to a
    plugin that is already unloaded. The next signal, such as Ctrl-C, then causes a segmentation
    fault.
    """
    return ov.Core()
