# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Finds what this machine has: the device and precision to use, and instructions of the CPU."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import takewhile
from pathlib import Path

import torch

from bisenet_ros.errors import UserError

DTYPES = {'fp16': torch.float16, 'bf16': torch.bfloat16, 'fp32': torch.float32}
"""The precisions by name."""

CAPABILITY_VARIABLE = 'BISENET_CPU_CAPABILITY'
"""The environment variable with the best of `CPU_CAPABILITIES` to use. If unset, all are used."""

_DRIVER_GPUS = Path('/proc/driver/nvidia/gpus')
"""Holds a folder for each GPU, wherever NVIDIA's driver is loaded."""

_FLAGS = {
    'default': set[str](),
    'avx2': {'avx2', 'fma'},
    'avx512': {'avx512f', 'avx512bw', 'avx512vl'},
    'avx512_bf16': {'avx512_bf16'},
    'amx': {'amx_bf16'},
}
CPU_CAPABILITIES = tuple(_FLAGS)
"""The instruction sets that matter here, in ascending order; every CPU has `default`. A CPU that
has one has all before it. The C library has code for all but `amx`: with it, bf16 matrices are left
to other libraries."""


def resolve_device(name: str) -> torch.device:
    """Resolves `auto`, `cpu`, `cuda` or `cuda:N` to a device of this machine.

    Raises:
        UserError: The device does not exist, or the name is unknown.
    """
    if name == 'cpu' or (name == 'auto' and not torch.cuda.is_available()):
        return torch.device('cpu')
    match = re.fullmatch(r'auto|cuda(?::(\d+))?', name)
    if match is None:
        raise UserError(f'no device {name!r}: the choices are auto, cpu, cuda and cuda:N')
    if not torch.cuda.is_available():
        raise UserError(
            f'device {name!r} needs an NVIDIA GPU, its driver and a CUDA build of torch, and torch '
            f'{torch.__version__} finds none: use auto or cpu'
        )
    index, count = int(match[1] or 0), torch.cuda.device_count()
    if index >= count:
        gpus = ', '.join(f'cuda:{number}' for number in range(count))
        raise UserError(f'no device {name!r}: the GPUs are {gpus}')
    return torch.device('cuda', index)


def unused_gpu() -> str:
    """Returns why torch cannot use the GPU that NVIDIA's driver lists; empty without such a GPU."""
    if torch.cuda.is_available() or not (_DRIVER_GPUS.is_dir() and any(_DRIVER_GPUS.iterdir())):
        return ''
    reason = 'cannot use it' if torch.version.cuda else 'was built without CUDA'
    return (
        f'device auto chose the CPU: the NVIDIA driver lists a GPU, but torch {torch.__version__} '
        f'{reason}: install a CUDA build of torch that fits the driver, or set device to cpu'
    )


def resolve_precision(name: str, device: torch.device) -> str:
    """Resolves `auto` to the fastest precision that hardly changes labels; checks others.

    Raises:
        UserError: The device does not support the precision, or the name is unknown.
    """
    if name == 'auto':
        if device.type == 'cuda':
            return 'fp16'
        return 'bf16' if cpu_has_bf16() else 'fp32'
    if name not in DTYPES:
        raise UserError(f'no precision {name!r}: the choices are auto, {", ".join(DTYPES)}')
    if name == 'fp16' and device.type == 'cpu':
        raise UserError('precision fp16 needs a GPU: on the CPU, use auto, bf16 or fp32')
    if name == 'bf16' and device.type == 'cpu' and not cpu_has_bf16():
        raise UserError(
            'precision bf16 needs a CPU with AVX-512 bf16 or AMX; this one would emulate it, which '
            'is slower than fp32: use auto or fp32'
        )
    if name == 'bf16' and device.type == 'cuda' and torch.cuda.get_device_capability(device) < (8,):
        raise UserError(f'{device} does not support precision bf16: use auto, fp16 or fp32')
    return name


def cpu_has_bf16() -> bool:
    """Whether the CPU multiplies bfloat16 natively. Emulation takes 20 times as long as fp32."""
    return cpu_has('avx512_bf16')


def cpu_has(capability: str) -> bool:
    """Whether the CPU has one of `CPU_CAPABILITIES`, and may use it."""
    return CPU_CAPABILITIES.index(capability) <= CPU_CAPABILITIES.index(cpu_capability())


def cpu_capability() -> str:
    """Returns the best of `CPU_CAPABILITIES` that the CPU has and `CAPABILITY_VARIABLE` allows.

    Raises:
        UserError: The variable names none of them.
    """
    best = os.environ.get(CAPABILITY_VARIABLE, CPU_CAPABILITIES[-1])
    if best not in CPU_CAPABILITIES:
        raise UserError(
            f'{CAPABILITY_VARIABLE} must be one of {", ".join(CPU_CAPABILITIES)}, not {best!r}'
        )
    allowed = CPU_CAPABILITIES[: CPU_CAPABILITIES.index(best) + 1]
    return list(takewhile(lambda capability: _FLAGS[capability] <= cpu_flags(), allowed))[-1]


@contextmanager
def cpu_threads(count: int) -> Iterator[None]:
    """Sets the number of threads of torch, and of engines that are made in this context.

    Args:
        count: 0 keeps the number as it is: one per core that the process may use, unless the user
            has limited it, for example by OMP_NUM_THREADS.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def cpu_model() -> str:
    """Returns the name of the CPU; its architecture if the system does not tell the name."""
    cpuinfo = Path('/proc/cpuinfo')
    for line in cpuinfo.read_text().splitlines() if cpuinfo.exists() else ():
        name, _, value = line.partition(':')
        if name.strip() == 'model name':
            return value.strip()
    return platform.processor() or platform.machine()


@lru_cache(maxsize=1)
def cpu_flags() -> frozenset[str]:
    """Returns the CPU's features by their Linux names; empty on other systems."""
    cpuinfo = Path('/proc/cpuinfo')  # torch's own query is not public
    return frozenset(cpuinfo.read_text().split()) if cpuinfo.exists() else frozenset()
