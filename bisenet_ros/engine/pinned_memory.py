# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Copies between host and GPU through page-locked memory.

A GPU copies from and to page-locked memory by itself while the CPU goes on. torch caches such
memory. All copies are on the current stream. Other streams would gain nothing if the caller waits
for labels before the next frame, and would have to be announced to torch's allocator.
"""

from __future__ import annotations

import ctypes

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bisenet_ros.engine.engine import Frame
from bisenet_ros.engine.native import tasks
from bisenet_ros.engine.streams import runtime_of

_PIECE = 1 << 18  # bytes that a thread copies at a time
_THREADS = 4  # with eight, the whole upload took longer on an H100 with 16 cores
_RESERVED = (20, 21, 22, 23)  # log2 of the sizes of blocks, in bytes


def upload(frame: Frame, device: torch.device) -> Tensor:
    """Copies a frame, (H, W, 3) uint8, to the device, for later work on the current stream."""
    pinned = device.type == 'cuda'
    host = torch.empty(frame.shape, dtype=torch.uint8, device='cpu', pin_memory=pinned)
    # In one piece: sending the first half while the second is copied took 0.1 ms longer on an H100.
    _copy(frame, host.numpy())
    return host.to(device, non_blocking=True)


class _CJob(ctypes.Structure):
    """`struct job` of `_copy_rows.c`."""

    _fields_ = (
        ('source', ctypes.c_void_p),
        ('target', ctypes.c_void_p),
        ('stride', ctypes.c_ssize_t),
        ('row_size', ctypes.c_size_t),
        ('rows', ctypes.c_int32),
        ('rows_per_task', ctypes.c_int32),
    )


def _copy(frame: Frame, target: Frame) -> None:
    """Copies a frame: in C if the pixels of a row are contiguous, otherwise by NumPy."""
    copy = tasks('copy_rows')
    if copy is None or frame.strides[1:] != (3, 1):
        target[:] = frame
        return
    row = frame.shape[1] * 3
    rows_per_task = max(1, _PIECE // row)
    addresses = frame.ctypes.data, target.ctypes.data
    job = _CJob(*addresses, frame.strides[0], row, len(frame), rows_per_task)
    copy(job, -(-len(frame) // rows_per_task), min(torch.get_num_threads(), _THREADS))


def reserve_page_locked_memory(device: torch.device, frames: int) -> None:
    """Makes torch cache page-locked memory for the frames and labels of usual cameras.

    Locking pages takes milliseconds, which would delay the first frame, and torch frees its cache
    whenever a graph is captured. Block sizes are powers of two up to 8 MiB, enough for a frame of
    1920x1200. There are two blocks of each size for each frame of a batch, since labels stay in
    memory while they are used. Does nothing for a CPU.
    """
    if device.type == 'cuda':
        powers = _RESERVED * 2 * frames
        _ = [
            torch.empty(1 << power, dtype=torch.uint8, device='cpu', pin_memory=True)
            for power in powers
        ]


class Download:
    """A copy of a tensor to the host, started by the constructor."""

    def __init__(self, tensor: Tensor) -> None:
        self._host = torch.empty(
            tensor.shape, dtype=tensor.dtype, device='cpu', pin_memory=tensor.is_cuda
        )
        self._host.copy_(tensor, non_blocking=True)
        runtime = runtime_of(tensor.device)
        self._arrived = runtime.Event()
        self._arrived.record(runtime.current_stream(tensor.device))

    def array(self) -> npt.NDArray[np.uint8]:
        """Waits for the copy and returns it. Its memory stays page-locked while it is used."""
        self._arrived.synchronize()
        array: npt.NDArray[np.uint8] = self._host.numpy()
        return array
