# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Copies between host and GPU through page-locked memory.

A GPU copies by itself from and to page-locked memory while the CPU goes on. torch keeps such memory
and reuses it. All copies are on the current stream: whoever waits for labels before the next frame
gains nothing by others, and torch's allocator needs no word about who else uses a block.
"""

from __future__ import annotations

import ctypes
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bisenet_ros.engine.engine import Frame
from bisenet_ros.engine.native import tasks
from bisenet_ros.engine.streams import runtime_of

_WORTH_A_BAND = 1 << 20  # bytes of a frame from which on it is sent in two
_PIECE = 1 << 18  # bytes that a thread copies at a time
_THREADS = 4  # more only wait for memory
_RESERVED = (20, 21, 22, 23)  # two to this power are the bytes that a block has


def upload(frame: Frame, device: torch.device) -> Tensor:
    """A frame on the device, (H, W, 3) uint8, for what is submitted to the current stream next.

    Page-locked memory is filled and sent off in two bands of rows: the GPU takes in the first while
    the second is filled.
    """
    host = torch.empty(frame.shape, dtype=torch.uint8, pin_memory=device.type == 'cuda')
    pinned = host.numpy()
    pixels = torch.empty(frame.shape, dtype=torch.uint8, device=device)
    bands = 2 if frame.nbytes > _WORTH_A_BAND else 1
    for first, end in pairwise(len(frame) * band // bands for band in range(bands + 1)):
        rows = slice(first, end)
        _copy(frame[rows], pinned[rows])
        pixels[rows].copy_(host[rows], non_blocking=True)
    return pixels


class _CopyJob(ctypes.Structure):
    """`copy_job` of `_copy_rows.c`."""

    _fields_ = (
        ('source', ctypes.c_void_p),
        ('target', ctypes.c_void_p),
        ('stride', ctypes.c_ssize_t),
        ('row', ctypes.c_int64),
        ('rows', ctypes.c_int),
        ('rows_per_task', ctypes.c_int),
    )


def _copy(rows: Frame, target: Frame) -> None:
    """Copy rows of a frame: in C where pixels lie side by side, otherwise by NumPy."""
    copy = tasks('copy_rows')
    if copy is None or rows.strides[1:] != (3, 1):
        target[:] = rows
        return
    row = rows.shape[1] * 3
    rows_per_task = max(1, _PIECE // row)
    addresses = rows.ctypes.data, target.ctypes.data
    job = _CopyJob(*addresses, rows.strides[0], row, len(rows), rows_per_task)
    copy(job, -(-len(rows) // rows_per_task), min(torch.get_num_threads(), _THREADS))


def reserve_page_locked_memory(device: torch.device) -> None:
    """Have torch keep page-locked memory for the frames and labels of usual cameras, for a GPU.

    To lock pages takes milliseconds, which the first frame would pay, and torch gives them back
    whenever a graph is captured. It keeps blocks by powers of two: up to 8 MiB, which a frame of
    1920x1200 needs, and two of each, since labels stay while somebody uses them.
    """
    if device.type == 'cuda':
        _ = [torch.empty(1 << power, dtype=torch.uint8, pin_memory=True) for power in _RESERVED * 2]


class Download:
    """A tensor on its way to the host, sent off when this is made."""

    def __init__(self, tensor: Tensor) -> None:
        self._host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=tensor.is_cuda)
        self._host.copy_(tensor, non_blocking=True)
        runtime = runtime_of(tensor.device)
        self._arrived = runtime.Event()
        self._arrived.record(runtime.current_stream(tensor.device))

    def array(self) -> npt.NDArray[np.uint8]:
        """What arrived; waits for it. The memory stays page-locked as long as it is used."""
        self._arrived.synchronize()
        array: npt.NDArray[np.uint8] = self._host.numpy()
        return array
