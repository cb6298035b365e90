# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reads the results of a replay from its folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rosbags.highlevel import AnyReader


def metrics_of(output: Path) -> Any:
    """Returns the content of metrics.json."""
    return json.loads((output / 'metrics.json').read_text())


def lines_of(output: Path) -> list[dict[str, Any]]:
    """Returns the lines of frames.jsonl, one per frame."""
    return [json.loads(line) for line in (output / 'frames.jsonl').read_text().splitlines()]


def untimed_messages(output: Path) -> list[tuple[str, int, bytes]]:
    """Returns topic, time of reception and bytes of all messages in output.mcap except timing."""
    with AnyReader([output / 'output.mcap']) as reader:
        return [
            (connection.topic, received, data)
            for connection, received, data in reader.messages()
            if not connection.topic.endswith('segmentation/timing')
        ]
