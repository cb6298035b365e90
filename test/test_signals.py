# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Real signals to the test's own process."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from bisenet_ros.signals import ended_by_signals, on_stop_signal

STOP_SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.fixture(autouse=True)
def _not_ignored() -> Iterator[None]:
    """SIGHUP ends this process by default: `nohup` would have it ignored."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize('number', STOP_SIGNALS)
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
    before = [signal.getsignal(number) for number in STOP_SIGNALS]
    with on_stop_signal(lambda: None):
        assert signal.getsignal(signal.SIGTERM) is not before[1]
    assert [signal.getsignal(number) for number in STOP_SIGNALS] == before
    assert signal.set_wakeup_fd(-1) == -1


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_unwinds_the_stack(number: signal.Signals) -> None:
    with pytest.raises(SystemExit) as ended, ended_by_signals():
        signal.raise_signal(number)
    assert ended.value.code == 128 + number
    assert signal.getsignal(number) is signal.SIG_DFL


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as after nohup
    for context in (ended_by_signals(), on_stop_signal(pytest.fail)):
        with context:
            signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
