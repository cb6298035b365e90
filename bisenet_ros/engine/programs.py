# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The network made ready for one number of frames: launched as one CUDA graph, or kernel by kernel.

Kernel by kernel, the CPU takes longer to launch a network than a fast GPU to run it.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from bisenet_ros.engine.transfer import new_stream

Forward = Callable[[Tensor], Tensor]

MOST_PROGRAMS = 8
"""How many are kept: a graph holds the memory of all that is computed in it."""

_WARM_UP_RUNS = 3

_log = logging.getLogger(__name__)


class Program(Protocol):
    """Runs the network for one number of frames.

    Attributes:
        input: What to write the input to before `run`.
    """

    input: Tensor

    def run(self) -> Tensor:
        """What the network makes of `input`; valid until the next `run`."""


class EagerProgram:
    """Launches one kernel after the other."""

    def __init__(self, forward: Forward, example: Tensor) -> None:
        self.input = example
        self._forward = forward

    def run(self) -> Tensor:
        """See `Program`."""
        return self._forward(self.input)


class GraphProgram:
    """Launches all kernels at once, as they were captured.

    Raises:
        RuntimeError: There is too little memory, or something in `forward` cannot be captured.
    """

    def __init__(self, forward: Forward, example: Tensor) -> None:
        self.input = example
        current, side = torch.cuda.current_stream(), new_stream(example.device)
        side.wait_stream(current)
        with torch.cuda.stream(side):  # as captures require it
            for _ in range(_WARM_UP_RUNS):  # cuDNN chooses its algorithms
                forward(example)
        current.wait_stream(side)
        self._graph = torch.cuda.CUDAGraph()
        # What other threads do with CUDA meanwhile is no concern of this capture.
        with torch.cuda.graph(self._graph, capture_error_mode='thread_local'):
            self._output = forward(example)

    def run(self) -> Tensor:
        """See `Program`."""
        self._graph.replay()
        return self._output


class Programs:
    """The programs for the numbers of frames that came last.

    Args:
        capture: Makes a fast program for a number of frames. Once it has failed, which is logged,
            it is not asked again.
        eager: Makes one in a way that cannot fail.
    """

    def __init__(self, capture: Callable[[int], Program], eager: Callable[[int], Program]) -> None:
        self._capture = capture
        self._eager = eager
        self._captures = True
        self._programs: OrderedDict[int, Program] = OrderedDict()

    def of(self, frames: int) -> Program:
        """The program for so many frames, made now if it was not there."""
        if frames not in self._programs:
            while len(self._programs) >= MOST_PROGRAMS:
                self._programs.popitem(last=False)
            self._programs[frames] = self._made(frames)
        self._programs.move_to_end(frames)
        return self._programs[frames]

    def _made(self, frames: int) -> Program:
        if self._captures:
            try:
                return self._capture(frames)
            except RuntimeError as error:  # of torch, cuDNN or CUDA; out of memory among them
                self._captures = False
                _log.warning(
                    'no CUDA graph for %d frame(s) (%s): from now on the network is launched kernel'
                    ' by kernel, which gives the same labels later',
                    frames,
                    str(error).partition('\n')[0],
                )
        return self._eager(frames)
