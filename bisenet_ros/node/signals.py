# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Turns SIGINT and SIGTERM into a request to stop."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def on_stop_signal(callback: Callable[[], None]) -> Iterator[None]:
    """Within this context the first SIGINT or SIGTERM calls `callback`, in a thread of its own.

    rclpy's own handlers shut the context down under whatever is being published at that moment,
    and Python's raise KeyboardInterrupt wherever the main thread is, in clean-up code too when
    Ctrl-C is pressed twice. Here nothing is interrupted: who is asked to stop ends in order. Only
    the main thread can enter.
    """
    reader, writer = socket.socketpair()
    writer.setblocking(False)

    def wait() -> None:
        if reader.recv(1):
            callback()

    waiter = threading.Thread(target=wait, name='signals', daemon=True)
    # The interpreter writes to the wakeup socket at once, even while the main thread is deep in C;
    # a Python handler, which would have to wait for the main thread, has nothing left to do.
    handlers = {
        number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)
    }
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
