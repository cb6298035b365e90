# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Between the host's memory and a GPU's, through page-locked memory.

A GPU copies by itself from and to page-locked memory while the CPU goes on. torch keeps such memory
and reuses it. All copies are on the current stream: whoever waits for labels before the next frame
gains nothing by others, and torch's allocator needs no word about who else uses a block.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bisenet_ros.engine.engine import Frame
from bisenet_ros.engine.streams import runtime_of

_BAND = 1 << 20  # bytes of a frame that are sent at once
_THREADS = 4  # more only wait for memory
_RESERVED = (20, 21, 22, 23)  # two to this power are the bytes that a block has


def upload(frame: Frame, device: torch.device) -> Tensor:
    """A frame on the device, (H, W, 3) uint8, for what is submitted to the current stream next.

    Several threads fill page-locked memory, a band of rows at a time, and each band is sent off
    while the next ones are filled: one thread would take longer than the way to the GPU.
    """
    host = torch.empty(frame.shape, dtype=torch.uint8, pin_memory=device.type == 'cuda')
    pinned = host.numpy()
    rows = max(1, _BAND // frame[0].size)
    bands = [slice(first, first + rows) for first in range(0, len(frame), rows)]

    def fill(band: slice) -> slice:
        pinned[band] = frame[band]
        return band

    pixels = torch.empty(frame.shape, dtype=torch.uint8, device=device)
    filled = map(fill, bands) if len(bands) == 1 else _pool().map(fill, bands)
    for band in filled:
        pixels[band].copy_(host[band], non_blocking=True)
    return pixels


def reserve_page_locked_memory() -> None:
    """Have torch keep page-locked memory for the frames and labels of usual cameras.

    To lock pages takes milliseconds, which the first frame would pay, and torch gives them back
    whenever a graph is captured. It keeps blocks by powers of two: up to 8 MiB, which a frame of
    1920x1200 needs, and two of each, since labels stay while somebody uses them.
    """
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


@lru_cache(maxsize=1)
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_THREADS, thread_name_prefix='upload')
