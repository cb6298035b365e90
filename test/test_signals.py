# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Real signals to the test's own process."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from bisenet_ros.signals import on_stop_signal


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_calls_back_and_interrupts_nothing(number: signal.Signals) -> None:
    calls: list[str] = []
    called = threading.Event()

    def stop() -> None:
        calls.append(threading.current_thread().name)
        called.set()

    with on_stop_signal(stop):
        os.kill(os.getpid(), number)
        assert called.wait(timeout=90)
        os.kill(os.getpid(), number)  # Ctrl-C twice
    assert calls == ['signals']


def test_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with on_stop_signal(lambda: None):
        assert signal.getsignal(signal.SIGTERM) is not before[1]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert signal.set_wakeup_fd(-1) == -1
