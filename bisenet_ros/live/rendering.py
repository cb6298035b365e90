# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Renders the synthetic drive into files, from which it costs next to nothing to show.

To render it while it is streamed would take the time of the network that is being measured, and
the report needs the same frames once more.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache, partial
from multiprocessing import get_context
from pathlib import Path

from bisenet_ros.errors import UserError
from bisenet_ros.live.sources import RENDERED_IMAGES, RENDERED_TRUTHS, Pixels, View
from bisenet_ros.synthetic.drive import SyntheticDrive

_MAX_WORKERS = 8


def render(view: View, frame_count: int, folder: Path, advance: Callable[[], None]) -> None:
    """Render the synthetic drive of a view on all cores.

    Args:
        view: Seed, size and rate of the drive.
        frame_count: How many frames.
        folder: Where the files go.
        advance: Called after every frame.

    Raises:
        UserError: The files cannot be written.
    """
    pool = ProcessPoolExecutor(
        min(_MAX_WORKERS, len(os.sched_getaffinity(0))),
        # A fork would copy the locks of torch's threads.
        mp_context=get_context('spawn'),
        # Ctrl-C reaches every process of the terminal; the one that started these ends them.
        initializer=signal.signal,
        initargs=(signal.SIGINT, signal.SIG_IGN),
    )
    try:
        with (
            (folder / RENDERED_IMAGES).open('wb') as images,
            (folder / RENDERED_TRUTHS).open('wb') as truths,
        ):
            frames = pool.map(partial(_render, view), range(frame_count), chunksize=4)
            for image, truth in frames:
                images.write(image.data)
                truths.write(truth.data)
                advance()
    except OSError as error:
        raise UserError(f'{folder}: {error.strerror}') from error
    finally:
        pool.shutdown(cancel_futures=True)


@lru_cache(maxsize=1)
def _drive(view: View) -> SyntheticDrive:
    return SyntheticDrive(view.seed, view.size, view.rate)


def _render(view: View, index: int) -> tuple[Pixels, Pixels]:
    return _drive(view).frame(index)
