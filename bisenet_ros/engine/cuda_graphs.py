# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Prepares the network for a batch size, as one CUDA graph where that works.

Launching a network kernel by kernel takes the CPU longer than a fast GPU takes to run it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from bisenet_ros.engine.streams import stream_of
from bisenet_ros.errors import first_line

Forward = Callable[[Tensor], Tensor]

MAX_RUNNERS = 8
"""How many runners are kept. A graph holds the memory of everything that is computed in it."""

_WARM_UP_RUNS = 3

_streams_in_use = threading.Lock()
"""Held while a thread captures, or launches kernels on streams that take part in captures. The
worker may still run the old network while another thread loads a new one."""


class Runner(Protocol):
    """Runs the network for one batch size.

    Attributes:
        input: The buffer to write the input to before `run`.
    """

    input: Tensor

    def run(self) -> Tensor:
        """Runs the network on `input`; the result is valid until the next `run`."""


class EagerRunner:
    """Launches the kernels one after the other."""

    def __init__(self, forward: Forward, example: Tensor) -> None:
        self.input = example
        self._forward = forward

    def run(self) -> Tensor:
        """See `Runner`."""
        with _streams_in_use:
            return self._forward(self.input)


class GraphRunner:
    """Launches all kernels at once, as a captured CUDA graph.

    Args:
        forward: The network.
        example: An input, which becomes `input`. Its device must be the current one.
        pool: The graph's memory pool, from `torch.cuda.graph_pool_handle`; None for a new one.

    Raises:
        RuntimeError: There is too little memory, or something in `forward` cannot be captured.
    """

    def __init__(self, forward: Forward, example: Tensor, pool: Any = None) -> None:
        self.input = example
        self._graph = torch.cuda.CUDAGraph()
        pool = pool or torch.cuda.graph_pool_handle()
        current = torch.cuda.current_stream(example.device)
        # One per device: torch's own capture stream belongs to the GPU that was used first.
        side = stream_of(example.device, 'capture')
        with _streams_in_use:
            side.wait_stream(current)
            with torch.cuda.stream(side):  # restores the stream even if torch.cuda.graph does not
                for _ in range(_WARM_UP_RUNS):  # cuDNN chooses its algorithms
                    forward(example)
                current.wait_stream(side)
                try:
                    # CUDA calls of other threads must not invalidate this capture.
                    with torch.cuda.graph(
                        self._graph, pool=pool, stream=side, capture_error_mode='thread_local'
                    ):
                        self._output = forward(example)
                except RuntimeError:
                    _end_allocation(example.device, pool)
                    raise

    def run(self) -> Tensor:
        """See `Runner`."""
        self._graph.replay()
        return self._output


def _end_allocation(device: torch.device, pool: Any) -> None:
    """Tells torch's allocator that a capture is over.

    Before torch 2.12, an invalidated capture does not do that. The allocator would then never free
    memory again in this process.
    """
    names = '_cuda_endAllocateToPool', '_cuda_endAllocateCurrentStreamToPool'  # before torch 2.8
    end = next(getattr(torch._C, name) for name in names if hasattr(torch._C, name))
    try:
        end(device.index, pool)
    except RuntimeError:  # the capture has told it already
        return
    torch._C._cuda_releasePool(device.index, pool)


class Runners:
    """Keeps the runners for the most recently used batch sizes.

    Args:
        capture: Makes a fast runner for a batch size. It is not called again after a failure.
        eager: Makes a runner without a capture.
        notes: Notes of the engine, which get a line if `capture` fails.
    """

    def __init__(
        self,
        capture: Callable[[int], Runner],
        eager: Callable[[int], Runner],
        notes: list[str],
    ) -> None:
        self._capture = capture
        self._eager = eager
        self._notes = notes
        self._captures = True
        self._runners: OrderedDict[int, Runner] = OrderedDict()

    def of(self, frames: int) -> Runner:
        """Returns the runner for a batch size; makes it if there is none yet."""
        if frames not in self._runners:
            while len(self._runners) >= MAX_RUNNERS:
                self._runners.popitem(last=False)
            self._runners[frames] = self._made(frames)
        self._runners.move_to_end(frames)
        return self._runners[frames]

    def _made(self, frames: int) -> Runner:
        if self._captures:
            try:
                return self._capture(frames)
            except RuntimeError as error:  # from torch, cuDNN or CUDA, including out of memory
                self._captures = False
                self._notes.append(
                    f'no CUDA graph for {frames} frame(s) ({first_line(error)}): from now on the '
                    'network is launched kernel by kernel, which is slower'
                )
        return self._eager(frames)
