# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measures where the time of a frame goes.

Code that works on a frame marks its stages with `stage`. Code that measures receives them with
`listening`. Without a listener, a mark costs less than a microsecond.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal, NamedTuple

Stage = Literal['decode', 'pre', 'network', 'post', 'drivable', 'publish']
"""The stages lead from a message to pixels, to the network's size, to logits, to labels at the
frame's size, to a mask, and back to messages. Normalisation counts as `network` if it is part of
that."""


class _Listener(NamedTuple):
    on_stage: Callable[[Stage, float], None]
    settle: Callable[[], object]


_listener: ContextVar[_Listener | None] = ContextVar('listener', default=None)


@contextmanager
def stage(name: Stage) -> Iterator[None]:
    """Marks the code in this context as a stage of a frame or a batch."""
    listener = _listener.get()
    if listener is None:
        yield
        return
    listener.settle()
    start = time.perf_counter()
    yield
    listener.settle()
    listener.on_stage(name, 1e3 * (time.perf_counter() - start))


@contextmanager
def listening(
    on_stage: Callable[[Stage, float], None], settle: Callable[[], object]
) -> Iterator[None]:
    """Reports the stages that this thread runs in this context.

    Args:
        on_stage: Called after each stage with its name and its duration in ms.
        settle: Called before the clock is read, to wait for devices that work asynchronously.
    """
    token = _listener.set(_Listener(on_stage, settle))
    try:
        yield
    finally:
        _listener.reset(token)
