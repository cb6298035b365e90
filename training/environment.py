# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Describes what a run was trained with: command, versions, machine."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from bisenet_ros.engine.hardware import cpu_model
from bisenet_ros.version import versions


def environment() -> dict[str, Any]:
    """Returns versions, machine and command, for JSON."""
    return {
        'command': shlex.join(sys.argv),
        'versions': versions(),
        'machine': {
            'host': platform.node(),
            'system': platform.platform(),
            'processor': cpu_model(),
            'cores': len(os.sched_getaffinity(0)),
            'gpus': [
                torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())
            ],
        },
        'variables': _variables(os.environ),
        'commit': _commit(Path(__file__).parent),
    }


def _variables(variables: Mapping[str, str]) -> dict[str, str]:
    """Returns the environment variables that affect speed or results of torch."""
    prefixes = ('CUDA', 'CUBLAS', 'KMP', 'MALLOC', 'MKL', 'NCCL', 'OMP', 'TORCH')
    return {name: value for name, value in sorted(variables.items()) if name.startswith(prefixes)}


def _commit(folder: Path) -> str | None:
    """Returns the commit of the source tree if the package runs from one."""
    command = ['git', '-C', str(folder), 'describe', '--always', '--dirty', '--abbrev=40']
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        return None
    return result.stdout.strip()
