# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Ends a process in order when a signal asks for it."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


def stop_signals() -> list[signal.Signals]:
    """Returns the signals that ask a program to end.

    SIGHUP, which a closed terminal sends, is one of them unless it is ignored, as after `nohup`.
    """
    signals = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signals.append(signal.SIGHUP)
    return signals


@contextmanager
def on_stop_signal(callback: Callable[[], None]) -> Iterator[None]:
    """Calls `callback` in its own thread at the first of `stop_signals` within this context.

    rclpy's handlers shut the context down even while a message is being published. Python's raise
    KeyboardInterrupt anywhere in the main thread, and in its clean-up code if Ctrl-C is pressed
    twice. Here nothing is interrupted, so the program can stop in order. Only the main thread can
    enter this context.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)

    def wait() -> None:
        if reader.recv(1):
            callback()

    waiter = threading.Thread(target=wait, name='signals', daemon=True)
    # The interpreter writes to the wakeup socket at once, even while the main thread runs C code.
    # A Python handler would have to wait for the main thread, so these do nothing.
    handlers = {number: signal.signal(number, lambda *_: None) for number in stop_signals()}
    wakeup = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    waiter.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        writer.close()
        waiter.join()
        reader.close()


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Makes SIGTERM and SIGHUP unwind the stack as Ctrl-C does, so that nothing unfinished is left.

    It ends the process at once while a verb imports what it needs; see `verb_imports`. A signal
    that is ignored, as SIGHUP is after `nohup`, stays ignored. Only the main thread can enter this
    context.
    """

    def end(number: int, frame: FrameType | None) -> None:
        if verb_imports(frame):
            os._exit(128 + number)
        sys.exit(128 + number)

    signals = (signal.SIGTERM, signal.SIGHUP)
    numbers = [number for number in signals if signal.getsignal(number) is signal.SIG_DFL]
    for number in numbers:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


def verb_imports(frame: FrameType | None) -> bool:
    """Returns whether the command line is importing what a verb needs, in the stack of `frame`.

    An exception is of no use there: libraries catch it in their imports, and go on without a part
    of themselves, or abort.
    """
    while frame is not None and frame.f_back is not None:
        importing = frame.f_code.co_filename == '<frozen importlib._bootstrap>'
        if importing and frame.f_back.f_globals['__name__'] == 'bisenet_ros.cli':
            return True
        frame = frame.f_back
    return False
