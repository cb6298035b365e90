# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The program `bisenet` from its first moment on."""

from __future__ import annotations

import os
import signal
from typing import Any

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


def _end(*_: Any) -> None:
    os._exit(INTERRUPTED)


def main() -> None:
    """Run the command line."""
    # Loading it takes a moment, in which an interrupt would show where Python was.
    raising = signal.signal(signal.SIGINT, _end)
    from bisenet_ros import cli

    signal.signal(signal.SIGINT, raising)
    cli.main()


if __name__ == '__main__':
    main()
