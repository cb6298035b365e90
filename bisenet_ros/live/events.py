# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the processes of a graph tell the one that started them: lines of JSON, and an exit code."""

from __future__ import annotations

import json
from typing import Any

BAD_INPUT = 2
"""Exit code of a process that could not use what it was given, and says so in its last line."""

Event = dict[str, Any]
"""`event` is its name, the rest is said where it is emitted."""


def emit(name: str, **facts: Any) -> None:
    """Tell the process that started this one."""
    print(json.dumps({'event': name, **facts}), flush=True)


def parse(line: str) -> Event | None:
    """The event of a line; None where it is other output."""
    if not line.startswith('{'):
        return None
    try:
        event = json.loads(line)
    except json.JSONDecodeError:
        return None
    return event if 'event' in event else None
