# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Statuses of /diagnostics, which tasks fill in."""

from __future__ import annotations

from typing import Protocol

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from bisenet_ros.node.statistics import Durations

PERIOD = 1.0
"""Seconds between two messages on /diagnostics, and between two checks of the publishers."""

OK = DiagnosticStatus.OK
WARN = DiagnosticStatus.WARN
ERROR = DiagnosticStatus.ERROR


class Task(Protocol):
    """One status of the node."""

    name: str

    def run(self, status: Status) -> None:
        """Fills in the status."""


class Status:
    """Builds a DiagnosticStatus: the worst level wins, and its messages are joined."""

    def __init__(self, name: str) -> None:
        self.message = DiagnosticStatus(name=name, level=OK)

    def summary(self, level: bytes, text: str) -> None:
        """Adds a finding."""
        if level > self.message.level:
            self.message.level = level
            self.message.message = text
        elif level == self.message.level:
            self.message.message = '; '.join(filter(None, (self.message.message, text)))

    def add(self, key: str, value: object) -> None:
        """Adds a value; a float gets three decimals."""
        text = f'{value:.3f}' if isinstance(value, float) else str(value)
        self.message.values.append(KeyValue(key=key, value=text))

    def add_percentiles(self, key: str, durations: Durations) -> None:
        """Adds p50, p95 and p99 of recent durations, if there are any."""
        percentiles = durations.percentiles()
        if percentiles is not None:
            for name, value in percentiles._asdict().items():
                self.add(f'{key}_{name}', value)
