# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a user may ask of the hardware, and what is there."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

import torch

from bisenet_ros.errors import UserError

DTYPES = {'fp16': torch.float16, 'bf16': torch.bfloat16, 'fp32': torch.float32}
"""The precisions by name."""


def resolve_device(name: str) -> torch.device:
    """The device that `auto`, `cpu`, `cuda` or `cuda:N` stands for here.

    Raises:
        UserError: There is no such device, or no such name.
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
        raise UserError(f'no device {name!r}: there are {count}, from cuda:0 to cuda:{count - 1}')
    return torch.device('cuda', index)


def resolve_precision(name: str, device: torch.device) -> str:
    """`fp16`, `bf16` or `fp32`; `auto` is the fastest that keeps the labels, on `device`.

    Raises:
        UserError: The device cannot do it, or there is no such name.
    """
    if name == 'auto':
        if device.type == 'cuda':
            return 'fp16'
        return 'bf16' if cpu_has_bf16() else 'fp32'
    if name not in DTYPES:
        raise UserError(f'no precision {name!r}: the choices are auto, {", ".join(DTYPES)}')
    if name == 'fp16' and device.type == 'cpu':
        raise UserError('precision fp16 needs a GPU: on the CPU, use auto, bf16 or fp32')
    if name == 'bf16' and device.type == 'cuda' and torch.cuda.get_device_capability(device) < (8,):
        raise UserError(
            f'precision bf16 is not for GPUs as old as {device}: use auto, fp16 or fp32'
        )
    return name


def cpu_has_bf16() -> bool:
    """Whether the CPU multiplies bfloat16 itself; without that, it is slower than float32."""
    return not cpu_flags().isdisjoint({'avx512_bf16', 'amx_bf16'})


@lru_cache(maxsize=1)
def cpu_flags() -> frozenset[str]:
    """What the CPU can do, in the words of Linux; nothing on other systems."""
    cpuinfo = Path('/proc/cpuinfo')  # torch's own query is not public
    return frozenset(cpuinfo.read_text().split()) if cpuinfo.exists() else frozenset()
