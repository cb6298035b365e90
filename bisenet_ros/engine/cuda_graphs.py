# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Prepares the network for a number of frames, as one CUDA graph where that works.

Kernel by kernel, the CPU takes longer to launch a network than a fast GPU to run it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from bisenet_ros.engine.engine import first_line
from bisenet_ros.engine.streams import stream_of

Forward = Callable[[Tensor], Tensor]

MOST_RUNNERS = 8
"""How many are kept: a graph holds the memory of all that is computed in it."""

_WARM_UP_RUNS = 3

_streams_in_use = threading.Lock()
"""Held by who captures, or launches kernels on the streams that take part in captures: while one
thread loads another network, the worker still runs the old one."""


class Runner(Protocol):
    """Runs the network for one number of frames.

    Attributes:
        input: What to write the input to before `run`.
    """

    input: Tensor

    def run(self) -> Tensor:
        """What the network makes of `input`; valid until the next `run`."""


class EagerRunner:
    """Launches one kernel after the other."""

    def __init__(self, forward: Forward, example: Tensor) -> None:
        self.input = example
        self._forward = forward

    def run(self) -> Tensor:
        """See `Runner`."""
        with _streams_in_use:
            return self._forward(self.input)


class GraphRunner:
    """Launches all kernels at once, as they were captured.

    Args:
        forward: The network.
        example: An input, which becomes `input`; its device is the current one.
        pool: The graph's memory, of `torch.cuda.graph_pool_handle`; None for one of its own.

    Raises:
        RuntimeError: There is too little memory, or something in `forward` cannot be captured.
    """

    def __init__(self, forward: Forward, example: Tensor, pool: Any = None) -> None:
        self.input = example
        self._graph = torch.cuda.CUDAGraph()
        pool = pool or torch.cuda.graph_pool_handle()
        current = torch.cuda.current_stream(example.device)
        # Of the device: torch's own one is that of the GPU that was used first.
        side = stream_of(example.device, 'capture')
        with _streams_in_use:
            side.wait_stream(current)
            with torch.cuda.stream(side):  # also restored where torch.cuda.graph does not
                for _ in range(_WARM_UP_RUNS):  # cuDNN chooses its algorithms
                    forward(example)
                current.wait_stream(side)
                try:
                    # What other threads do with CUDA meanwhile is no concern of this capture.
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
    """Tell torch's allocator that a capture is over.

    Before torch 2.12, a capture that was invalidated does not: the allocator then keeps whatever it
    is to give back, in the whole process and for good.
    """
    names = '_cuda_endAllocateToPool', '_cuda_endAllocateCurrentStreamToPool'  # before torch 2.8
    end = next(getattr(torch._C, name) for name in names if hasattr(torch._C, name))
    try:
        end(device.index, pool)
    except RuntimeError:  # the capture itself has told it
        return
    torch._C._cuda_releasePool(device.index, pool)


class Runners:
    """The runners for the numbers of frames that came last.

    Args:
        capture: Makes a fast runner for a number of frames. Once it has failed, it is not asked
            again.
        eager: Makes one in a way that cannot fail.
        notes: Of the engine: gets a line if `capture` fails.
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
        """The runner for so many frames, made now if it was not there."""
        if frames not in self._runners:
            while len(self._runners) >= MOST_RUNNERS:
                self._runners.popitem(last=False)
            self._runners[frames] = self._made(frames)
        self._runners.move_to_end(frames)
        return self._runners[frames]

    def _made(self, frames: int) -> Runner:
        if self._captures:
            try:
                return self._capture(frames)
            except RuntimeError as error:  # of torch, cuDNN or CUDA; out of memory among them
                self._captures = False
                self._notes.append(
                    f'no CUDA graph for {frames} frame(s) ({first_line(error)}): from now on the '
                    'network is launched kernel by kernel, which is slower'
                )
        return self._eager(frames)
