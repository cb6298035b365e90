# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fakes torch's CUDA streams, graphs and allocator, for tests of graph capture without a GPU.

It enforces the rules that a capture depends on, and reproduces bugs that torch had in them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import pytest
import torch

GPU = torch.device('cuda', 1)
"""Not the first GPU, which is torch's default."""


@dataclass(eq=False)
class Stream:
    """A stream; records the streams that it waited for."""

    device: torch.device
    priority: int = 0
    waited_for: list[Stream] = field(default_factory=list)

    def wait_stream(self, other: Stream) -> None:
        self.waited_for.append(other)


class Graph:
    """A captured graph, which can be replayed."""

    def __init__(self) -> None:
        self.replay: Callable[[], None] = lambda: None


class FakeCuda:
    """A second GPU.

    Attributes:
        current: The current stream.
        underway: Pools that captures currently allocate to, as the allocator believes.
        pools: Number of users of each pool.
        capturing: The stream that is capturing; None if there is none.
        fails: Error that the end of a capture raises; None if captures succeed.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, tells_allocator: bool) -> None:
        """
        Args:
            monkeypatch: Replaces the functions of `torch.cuda`.
            tells_allocator: Whether an invalid capture ends its allocation, as since torch 2.12.
        """
        self.current = Stream(GPU)
        self.underway: list[int] = []
        self.pools: dict[int, int] = {}
        self.capturing: Stream | None = None
        self.fails: RuntimeError | None = None
        self.tells_allocator = tells_allocator
        for name in ('current_stream', 'graph', 'graph_pool_handle', 'stream'):
            monkeypatch.setattr(torch.cuda, name, getattr(self, f'_{name}'))
        monkeypatch.setattr(torch.cuda, 'CUDAGraph', Graph)
        monkeypatch.setattr(torch.cuda, 'Stream', self._new_stream)
        monkeypatch.setattr(torch._C, '_cuda_endAllocateToPool', self._end, raising=False)
        monkeypatch.setattr(torch._C, '_cuda_releasePool', self._release, raising=False)
        monkeypatch.setattr('bisenet_ros.engine.streams.on_device', self._on_device)

    @contextmanager
    def _on_device(self, device: torch.device) -> Iterator[None]:
        assert device == GPU
        yield

    def _new_stream(self, priority: int = 0) -> Stream:
        return Stream(GPU, priority)

    def _current_stream(self, device: torch.device) -> Stream:
        assert device == GPU
        return self.current

    @contextmanager
    def _stream(self, stream: Stream) -> Iterator[None]:
        before, self.current = self.current, stream
        try:
            yield
        finally:
            self.current = before

    def _graph_pool_handle(self) -> int:
        return len(self.pools) + 1

    def _graph(
        self, graph: Graph, *, pool: int, stream: Stream, capture_error_mode: str
    ) -> _Capture:
        assert capture_error_mode == 'thread_local'
        return _Capture(self, pool, stream)

    def _end(self, device: int, pool: int) -> None:
        assert device == GPU.index
        if pool not in self.underway:
            raise RuntimeError('endAllocatePool: not currently recording to mempool_id')
        self.underway.remove(pool)

    def _release(self, device: int, pool: int) -> None:
        assert device == GPU.index
        self.pools[pool] -= 1
        assert self.pools[pool] >= 0


class _Capture:
    """Fakes `torch.cuda.graph`, which leaves its stream current if its exit raises."""

    def __init__(self, cuda: FakeCuda, pool: int, stream: Stream) -> None:
        self._cuda, self._pool, self._stream = cuda, pool, stream

    def __enter__(self) -> None:
        cuda = self._cuda
        if cuda.capturing is not None:
            raise RuntimeError('CUDA error: operation not permitted when stream is capturing')
        cuda.pools[self._pool] = cuda.pools.get(self._pool, 0) + 1
        cuda.underway.append(self._pool)
        self._before, cuda.current = cuda.current, self._stream
        cuda.capturing = self._stream

    def __exit__(
        self, kind: type[BaseException] | None, error: Any, trace: TracebackType | None
    ) -> None:
        cuda = self._cuda
        cuda.capturing = None
        if cuda.fails is not None:
            if cuda.tells_allocator:
                cuda.underway.remove(self._pool)
            raise cuda.fails
        cuda.underway.remove(self._pool)
        cuda.current = self._before
