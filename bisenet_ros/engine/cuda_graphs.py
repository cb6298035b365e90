# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The network made ready for one number of frames: launched as one CUDA graph, or kernel by kernel.

Kernel by kernel, the CPU takes longer to launch a network than a fast GPU to run it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from bisenet_ros.engine.engine import first_line
from bisenet_ros.engine.pinned_memory import new_stream

Forward = Callable[[Tensor], Tensor]

MOST_RUNNERS = 8
"""How many are kept: a graph holds the memory of all that is computed in it."""

_WARM_UP_RUNS = 3


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
        return self._forward(self.input)


class GraphRunner:
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
        """See `Runner`."""
        self._graph.replay()
        return self._output


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
                    'network is launched kernel by kernel, which gives the same labels later'
                )
        return self._eager(frames)
