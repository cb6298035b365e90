# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Runs the two branches of a network concurrently on a GPU.

The narrow, deep branch launches many small kernels that leave most of a GPU idle. The wide, shallow
branch fills it. On two streams, they share the GPU.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from bisenet_ros.engine.streams import runtime_of, stream_of


class Forked(nn.Module):
    """A branch that runs on its own stream, concurrently with what is called after it."""

    def __init__(self, branch: nn.Module, stream: Any) -> None:
        super().__init__()
        self.branch = branch
        self._stream = stream

    def forward(self, x: Tensor) -> Any:
        runtime = runtime_of(x.device)
        self._stream.wait_stream(runtime.current_stream(x.device))
        with runtime.stream(self._stream):
            return self.branch(x)


class Joined(nn.Module):
    """The branch that runs concurrently with the forked one, and then waits for its result."""

    def __init__(self, branch: nn.Module, stream: Any) -> None:
        super().__init__()
        self.branch = branch
        self._stream = stream

    def forward(self, x: Tensor) -> Any:
        out = self.branch(x)
        runtime_of(x.device).current_stream(x.device).wait_stream(self._stream)
        return out


def run_side_by_side(network: nn.Module, branches: tuple[str, str], device: torch.device) -> None:
    """Makes two branches of a network run on two streams of a device. Modifies the network.

    Args:
        network: Has the branches as children.
        branches: See `SegmentationNetwork.branches`.
        device: A GPU, or the CPU, which runs the branches one after the other.
    """
    first, second = branches
    stream = stream_of(device, 'branch')
    setattr(network, first, Forked(getattr(network, first), stream))
    setattr(network, second, Joined(getattr(network, second), stream))
