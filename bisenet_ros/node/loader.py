# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Loads networks in a thread of its own, so that callbacks go on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar('T')


class Loader:
    """Loads one network after the other."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix='loader')
        self._last: Future[Any] | None = None

    @property
    def busy(self) -> bool:
        """Whether something is being loaded."""
        return self._last is not None and not self._last.done()

    def submit(self, load: Callable[[], T]) -> Future[T]:
        """Load something when all that was asked for before is loaded."""
        loading = self._thread.submit(load)
        self._last = loading
        return loading

    def close(self) -> None:
        """Take on nothing more, and do not wait for what is being loaded."""
        self._thread.shutdown(wait=False, cancel_futures=True)
