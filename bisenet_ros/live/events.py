# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Events from the processes of a graph to their parent: lines of JSON on standard output."""

from __future__ import annotations

import json
from typing import Any

Event = dict[str, Any]
"""`event` is the name; the other keys depend on it."""


def emit(name: str, **facts: Any) -> None:
    """Sends an event to the parent process."""
    print(json.dumps({'event': name, **facts}), flush=True)


def parse(line: str) -> Event | None:
    """Parses the event in a line; returns None for other output."""
    if not line.startswith('{'):
        return None
    try:
        event = json.loads(line)
    except json.JSONDecodeError:
        return None
    return event if 'event' in event else None
