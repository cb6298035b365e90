# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Ends the process of the node: on request, after an error, or if it hangs."""

from __future__ import annotations

import faulthandler
from collections.abc import Iterator
from concurrent.futures import Future, InvalidStateError
from contextlib import contextmanager, suppress

TIME_TO_END = 8.0
"""Maximum seconds to end after a signal. A process that hangs longer prints where, and exits with
code 1. `ros2 launch` would kill it silently 10 s after Ctrl-C."""

TIME_TO_STOP = 30.0
"""Maximum seconds to deactivate, and to clean up. If the device does not finish its batch, or the
middleware hangs (Fast DDS may: docs/troubleshooting.md), the process ends as if it hung after a
signal."""


def end(ended: Future[None], error: BaseException | None = None) -> None:
    """Lets `ended` be done, with an error if there is one; only the first call has an effect."""
    with suppress(InvalidStateError):
        if error is None:
            ended.set_result(None)
        else:
            ended.set_exception(error)


def end_in_time(ended: Future[None]) -> None:
    """Lets `ended` be done, and ends the process if it then takes longer than `TIME_TO_END`."""
    end(ended)
    faulthandler.dump_traceback_later(TIME_TO_END, exit=True)


@contextmanager
def limited_time(ended: Future[None]) -> Iterator[None]:
    """Ends the process if the block takes longer than `TIME_TO_STOP`.

    When the process is to end, `TIME_TO_END` applies instead.
    """
    _limit_time(ended, TIME_TO_STOP)
    try:
        yield
    finally:
        _limit_time(ended, None)


def _limit_time(ended: Future[None], seconds: float | None) -> None:
    """Ends the process after so many seconds, or lifts that limit for None.

    Once a signal has come, only the limit of the signal holds.
    """
    if ended.done():
        return
    if seconds is None:
        faulthandler.cancel_dump_traceback_later()
    else:
        faulthandler.dump_traceback_later(seconds, exit=True)
    if ended.done():  # a signal came meanwhile, and its limit may be lost
        faulthandler.dump_traceback_later(TIME_TO_END, exit=True)
