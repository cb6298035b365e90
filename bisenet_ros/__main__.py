# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command `bisenet`: Ctrl-C ends it without a traceback, even while it loads."""

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
    # Loading takes a second or two; an interrupt during it would print a traceback.
    default_handler = signal.signal(signal.SIGINT, _end)
    from bisenet_ros import cli

    signal.signal(signal.SIGINT, default_handler)
    cli.main()


if __name__ == '__main__':
    main()
