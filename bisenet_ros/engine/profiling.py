# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measures where the time of a frame goes.

What works on a frame marks what it does with `stage`; who measures hears of it with `listening`.
Where nobody listens, a mark costs less than a microsecond.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal, NamedTuple

Stage = Literal['decode', 'pre', 'network', 'post', 'drivable', 'publish']
"""From a message to pixels, to the network's size, to logits, to labels at the frame's size, to a
mask, and to messages again. Where normalisation is a part of the network it counts there."""


class _Listener(NamedTuple):
    hear: Callable[[Stage, float], None]
    settle: Callable[[], object]


_listener: ContextVar[_Listener | None] = ContextVar('listener', default=None)


@contextmanager
def stage(name: Stage) -> Iterator[None]:
    """What runs in this context is that stage of a frame, or of a batch."""
    listener = _listener.get()
    if listener is None:
        yield
        return
    listener.settle()
    start = time.perf_counter()
    yield
    listener.settle()
    listener.hear(name, 1e3 * (time.perf_counter() - start))


@contextmanager
def listening(hear: Callable[[Stage, float], None], settle: Callable[[], object]) -> Iterator[None]:
    """Hear of the stages that this thread runs in this context.

    Args:
        hear: Called with the name of a stage and the ms that it took, when it is over.
        settle: Called before the clock is read: waits for devices that work on their own.
    """
    token = _listener.set(_Listener(hear, settle))
    try:
        yield
    finally:
        _listener.reset(token)
