# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reads the memory use and temperature of a GPU."""

from __future__ import annotations

from importlib.util import find_spec

import torch

from bisenet_ros.engine.device_failure import device_failure

_MEBIBYTE = 1 << 20


def device_state(device: str) -> dict[str, float]:
    """Returns values by name, with their units; empty for a CPU or a failing GPU.

    The memory is that of all processes. The temperature needs NVIDIA's package `nvidia-ml-py`.
    """
    if device == 'cpu':
        return {}
    try:
        free, total = torch.cuda.mem_get_info(device)
    except RuntimeError as error:
        if device_failure(error) is None:
            raise
        return {}
    state = {
        'device_memory_used_mib': (total - free) / _MEBIBYTE,
        'device_memory_total_mib': total / _MEBIBYTE,
    }
    temperature = _temperature(device)
    if temperature is not None:
        state['device_temperature_celsius'] = temperature
    return state


def _temperature(device: str) -> float | None:
    if find_spec('pynvml') is None:
        return None
    from pynvml import NVMLError

    try:
        return float(torch.cuda.temperature(device))
    except (NVMLError, RuntimeError):  # the driver or the GPU does not report it
        return None
