# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Describes the machine on which figures were measured."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

import torch

from bisenet_ros.engine.hardware import cpu_capability, cpu_model
from bisenet_ros.malloc_tuning import freed_memory_is_kept, malloc_settings
from bisenet_ros.version import versions

_THREAD_VARIABLES = (
    *('OMP_NUM_THREADS', 'OMP_WAIT_POLICY', 'OMP_PROC_BIND', 'GOMP_CPU_AFFINITY'),
    *('KMP_AFFINITY', 'KMP_BLOCKTIME', 'MKL_NUM_THREADS', 'OPENBLAS_NUM_THREADS'),
)
_GPU_FACTS = 'name,driver_version,clocks.sm,clocks.max.sm,power.limit,temperature.gpu'


def describe_machine() -> dict[str, Any]:
    """Returns the current hardware, versions, settings and load, ready for JSON."""
    return {
        'system': platform.platform(),
        'cpu': cpu_model(),
        'cpu_capability': cpu_capability(),
        'cores': os.cpu_count(),
        'usable_cores': len(os.sched_getaffinity(0)),
        'mhz': _megahertz(),
        'governor': _first_line('/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor'),
        'load_average': list(os.getloadavg()),
        'gpus': _gpus(),
        'versions': _versions(),
        'threads': {
            'torch': torch.get_num_threads(),
            **{name: os.environ[name] for name in _THREAD_VARIABLES if name in os.environ},
        },
        'malloc': malloc_settings() or _malloc(),
    }


def _malloc() -> str:
    return f'freed memory is {"kept" if freed_memory_is_kept() else "given back"}'


def _megahertz() -> list[float]:
    """Returns MHz of each core from sysfs, else from /proc/cpuinfo; empty if neither has it."""
    files = sorted(Path('/sys/devices/system/cpu').glob('cpu[0-9]*/cpufreq/scaling_cur_freq'))
    if files:
        return [int(file.read_text()) / 1e3 for file in files]
    return [
        float(line.partition(':')[2])
        for line in _lines('/proc/cpuinfo')
        if line.startswith('cpu MHz')
    ]


def _gpus() -> list[dict[str, str]]:
    """Returns what the driver reports about each NVIDIA GPU."""
    program = shutil.which('nvidia-smi')
    if program is None:
        return []
    command = [program, f'--query-gpu={_GPU_FACTS}', '--format=csv,noheader']
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        return []
    names = _GPU_FACTS.split(',')
    return [
        dict(zip(names, map(str.strip, line.split(',')), strict=True))
        for line in result.stdout.splitlines()
    ]


def _versions() -> dict[str, str]:
    found = versions(('openvino', 'onnxruntime', 'triton'))
    if torch.version.cuda is not None:
        found['cuda'] = torch.version.cuda
    return found


def _lines(file: str) -> list[str]:
    path = Path(file)
    return path.read_text().splitlines() if path.exists() else []


def _first_line(file: str) -> str | None:
    return next(iter(_lines(file)), None)
