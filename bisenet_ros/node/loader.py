# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Loads networks in a separate thread, so that callbacks keep running."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar('T')


class Loader:
    """Loads networks one after the other, in a thread."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix='loader')
        self._last: Future[Any] | None = None

    @property
    def busy(self) -> bool:
        """Whether something is loading or waiting to be loaded."""
        return self._last is not None and not self._last.done()

    def submit(self, load: Callable[[], T]) -> Future[T]:
        """Schedules `load` after all earlier calls; returns its future."""
        loading = self._thread.submit(load)
        self._last = loading
        return loading

    def close(self) -> None:
        """Accepts no more work, cancels what is waiting, and does not wait for a running load."""
        self._thread.shutdown(wait=False, cancel_futures=True)
