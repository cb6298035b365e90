# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Classifies device failures by remedy: free memory, retry, compute in another way, restart."""

from __future__ import annotations

from enum import Enum, auto

from bisenet_ros.errors import UserError, first_line

_PREFIXES = (
    'CUDA error',
    'CUDA driver error',
    'cuDNN error',
    'Triton Error [CUDA]',
    # cuDNN's, through torch
    'FIND was unable to find an engine',
    'GET was unable to find an engine',
)
_LITTLE_MEMORY = ('out of memory', 'ALLOC_FAILED')
# After these errors a process can no longer use CUDA: the context is broken or the GPU is gone (see
# CUDA's driver_types.h).
_FATAL = (
    'an illegal instruction was encountered',
    'an illegal memory access was encountered',
    'busy or unavailable',  # 'all CUDA-capable devices are', or 'CUDA-capable device(s) is/are'
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
    """Kinds of failures, by what helps against them."""

    OUT_OF_MEMORY = auto()
    """Free memory."""

    TRANSIENT = auto()
    """Try again."""

    NOT_FINITE = auto()
    """Compute in another way: the results are not finite."""

    FATAL = auto()
    """Start another process: every further use of the device by this one fails."""


class NotFiniteError(UserError):
    """A network computed numbers that are not finite, so no labels may be drawn from them."""


def device_failure(error: RuntimeError | NotFiniteError) -> DeviceFailure | None:
    """Returns the kind of device failure behind an error; None if the program caused it."""
    if isinstance(error, NotFiniteError):
        return DeviceFailure.NOT_FINITE
    import torch  # only needed when something failed; by then it is loaded

    text = str(error)
    # AcceleratorError is newer than the oldest supported torch, and the libraries' own failures are
    # plain RuntimeErrors in every torch.
    errors = (torch.cuda.OutOfMemoryError, getattr(torch, 'AcceleratorError', None))
    if not isinstance(error, tuple(filter(None, errors))) and not text.startswith(_PREFIXES):
        return None
    line = first_line(error)
    if any(words in line for words in _FATAL):
        return DeviceFailure.FATAL
    if any(words in line for words in _LITTLE_MEMORY):
        return DeviceFailure.OUT_OF_MEMORY
    return DeviceFailure.TRANSIENT


def is_of_device(error: Exception) -> bool:
    """Returns whether memory is short or the device is lost: no other way to compute helps then."""
    return isinstance(error, RuntimeError) and device_failure(error) in (
        DeviceFailure.OUT_OF_MEMORY,
        DeviceFailure.FATAL,
    )


class DeviceLostError(Exception):
    """A fatal failure: this process must end, and a new one may use the device."""
