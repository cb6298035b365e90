# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Classifies errors of the accelerator: free memory, try again, or start a new process."""

from __future__ import annotations

from enum import Enum, auto

from bisenet_ros.errors import UserError

_PREFIXES = (
    'CUDA error',
    'cuDNN error',
    'Triton Error [CUDA]',
    # cuDNN's, through torch
    'FIND was unable to find an engine',
    'GET was unable to find an engine',
)
_LITTLE_MEMORY = ('out of memory', 'ALLOC_FAILED')
# After these a process can do nothing more with CUDA: the context is broken, or the GPU is gone, as
# CUDA's driver_types.h says.
_LASTING = (
    'an illegal instruction was encountered',
    'an illegal memory access was encountered',
    'all CUDA-capable devices are busy or unavailable',
    'context is destroyed',
    'device-side assert triggered',
    'driver shutting down',
    'hardware stack error',
    'invalid program counter',
    'misaligned address',
    'no CUDA-capable device is detected',
    'operation not supported on global/shared address space',
    'the launch timed out and was terminated',
    'uncorrectable ECC error encountered',
    'uncorrectable NVLink error detected',
    'unknown error',
    'unspecified launch failure',
)


class DeviceFailure(Enum):
    """Kinds of failures by what helps."""

    MEMORY = auto()
    """Memory that is given back."""

    PASSING = auto()
    """Another try."""

    NUMBERS = auto()
    """Another way to compute: what came out is not finite."""

    LASTING = auto()
    """Another process: whatever this one asks of the device from now on fails."""


class NotFiniteError(UserError):
    """A network computed numbers that are not finite: no label may be made of them."""


def device_failure(error: RuntimeError | NotFiniteError) -> DeviceFailure | None:
    """The kind of failure that an error tells of; None if it is the program's, not the device's."""
    if isinstance(error, NotFiniteError):
        return DeviceFailure.NUMBERS
    import torch  # only needed when something failed; by then it is loaded

    text = str(error)
    # AcceleratorError is newer than the oldest torch that is supported, and the libraries' own
    # failures are plain RuntimeErrors in every torch.
    errors = (torch.cuda.OutOfMemoryError, getattr(torch, 'AcceleratorError', None))
    if not isinstance(error, tuple(filter(None, errors))) and not text.startswith(_PREFIXES):
        return None
    first_line = text.partition('\n')[0]
    if any(words in first_line for words in _LASTING):
        return DeviceFailure.LASTING
    if any(words in first_line for words in _LITTLE_MEMORY):
        return DeviceFailure.MEMORY
    return DeviceFailure.PASSING


class DeviceLostError(Exception):
    """A failure that lasts: the process is to end, and a new one may use the device."""
