# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Handles Ctrl-C and SIGTERM, so that a training run finishes its step and saves its state."""

from __future__ import annotations

import signal
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Records the first signal in a `with` block, in the main thread; a second ends the process."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self._handlers = {number: signal.getsignal(number) for number in _SIGNALS}

    def __enter__(self) -> Interruption:
        for number in _SIGNALS:
            signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        self._give_back()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signal = signal.Signals(number)
        self._give_back()

    def _give_back(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
