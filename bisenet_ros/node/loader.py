# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Loads networks in a separate thread, so that callbacks keep running."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from bisenet_ros.errors import UserError, first_line
from bisenet_ros.extras import advice
from bisenet_ros.malloc_tuning import return_free_memory
from bisenet_ros.settings import Settings

if TYPE_CHECKING:
    from bisenet_ros.segmenter import Segmenter

T = TypeVar('T')


class Loader:
    """Loads networks one after the other, in a thread."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix='loader')
        # Weak, so that a network is freed when the node lets it go; an unfinished future is alive.
        self._futures: weakref.WeakSet[Future[Any]] = weakref.WeakSet()

    @property
    def busy(self) -> bool:
        """Whether something is loading or waiting to be loaded."""
        return any(not loading.done() for loading in self._futures)

    def submit(self, load: Callable[[], T]) -> Future[T]:
        """Schedules `load` after all earlier calls; returns its future."""
        loading = self._thread.submit(_load_and_tidy, load)
        self._futures.add(loading)
        return loading

    def close(self) -> None:
        """Accepts no more work, cancels what is waiting, and does not wait for a running load."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _load_and_tidy(load: Callable[[], T]) -> T:
    """Loads, then returns the memory that only loading, or the replaced network, needed."""
    try:
        return load()
    finally:
        return_free_memory()


def import_segmenter() -> None:
    """Imports torch, which takes seconds.

    Raises:
        UserError: A module is missing, or a shared library cannot be loaded.
    """
    # Not within `load_segmenter`: the stack frames of torch's import are freed by the garbage
    # collection only, and they would keep the first network until then.
    try:
        import_module('bisenet_ros.segmenter')
    except ModuleNotFoundError as error:
        raise UserError(
            f'the Python module {error.name} is missing: {advice(str(error.name))}'
        ) from error
    except (ImportError, OSError) as error:  # from a build of torch for other libraries, mostly
        raise UserError(
            f'PyTorch or a library that it needs cannot be loaded: {first_line(error)}.'
            ' `python3 -c "import torch"` shows where'
        ) from error


def load_segmenter(settings: Settings) -> Segmenter:
    """Loads the network that the parameters select; `import_segmenter` comes first."""
    from bisenet_ros.segmenter import Segmenter

    # The pipeline holds the ego masks, so that a reload does not need their files.
    return Segmenter.from_settings(replace(settings, ego_mask=''))
