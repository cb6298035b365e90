# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Between the host's memory and a GPU's: from page-locked memory, on streams of their own.

A GPU copies by itself from and to page-locked memory, while it computes and while the CPU goes on.
torch keeps such memory and reuses it. On a CPU, where the tests of all this run, there are no such
copies to wait for: `torch.cpu` has streams and events that do nothing.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import cache, lru_cache
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bisenet_ros.engine.engine import Frame

_BAND = 1 << 20  # bytes of a frame that are sent at once
_THREADS = 4  # more only wait for memory


def runtime_of(device: torch.device) -> ModuleType:
    """`torch.cuda`, or `torch.cpu`, which has the same streams and events."""
    return torch.cuda if device.type == 'cuda' else torch.cpu


def on_device(device: torch.device) -> AbstractContextManager[object]:
    """Where CUDA is to work on this device, and not on the first."""
    return torch.cuda.device(device) if device.type == 'cuda' else nullcontext()


def new_stream(device: torch.device) -> Any:
    """A stream of the device beside all others."""
    with on_device(device):
        return runtime_of(device).Stream()


def upload(frame: Frame, device: torch.device) -> Tensor:
    """A frame on the device, (H, W, 3) uint8, for what is submitted to the current stream next.

    Several threads fill page-locked memory, a band of rows at a time, and each band is sent off
    while the next ones are filled: one thread would take longer than the way to the GPU.
    """
    runtime, stream = runtime_of(device), _upload_stream(device)
    current = runtime.current_stream(device)
    host = torch.empty(frame.shape, dtype=torch.uint8, pin_memory=device.type == 'cuda')
    pinned = host.numpy()
    rows = max(1, _BAND // frame[0].size)
    bands = [slice(first, first + rows) for first in range(0, len(frame), rows)]

    def fill(band: slice) -> slice:
        pinned[band] = frame[band]
        return band

    with runtime.stream(stream):
        pixels = torch.empty(frame.shape, dtype=torch.uint8, device=device)
        filled = map(fill, bands) if len(bands) == 1 else _pool().map(fill, bands)
        for band in filled:
            pixels[band].copy_(host[band], non_blocking=True)
    current.wait_stream(stream)
    if pixels.is_cuda:
        pixels.record_stream(current)
    return pixels


class Download:
    """A tensor on its way to the host, sent off when this is made."""

    def __init__(self, tensor: Tensor) -> None:
        device = tensor.device
        runtime, stream = runtime_of(device), _download_stream(device)
        self._host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=tensor.is_cuda)
        self._arrived = runtime.Event()
        stream.wait_stream(runtime.current_stream(device))
        with runtime.stream(stream):
            self._host.copy_(tensor, non_blocking=True)
            self._arrived.record(stream)
        if tensor.is_cuda:
            tensor.record_stream(stream)

    def array(self) -> npt.NDArray[np.uint8]:
        """What arrived; waits for it. The memory stays page-locked as long as it is used."""
        self._arrived.synchronize()
        array: npt.NDArray[np.uint8] = self._host.numpy()
        return array


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_THREADS, thread_name_prefix='upload')


@cache
def _upload_stream(device: torch.device) -> Any:
    return new_stream(device)


@cache
def _download_stream(device: torch.device) -> Any:
    return new_stream(device)
