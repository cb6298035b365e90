# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Runs candidates in turn and times them, so that other load on the machine affects all equally."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bisenet_ros.percentiles import Percentiles

WARM_UPS = 2
"""Warm-up rounds that do not count: they fill caches and trigger one-time work."""


@dataclass
class Times:
    """Times of one candidate, round by round.

    Attributes:
        wall_ms: Wall-clock time.
        cpu_ms: CPU time of all threads together, which depends less on other load.
    """

    wall_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)

    @property
    def median_ms(self) -> float:
        """Median of the wall-clock time."""
        return float(np.median(self.wall_ms))

    def figures(self) -> dict[str, float]:
        """Returns the figures, ready for JSON."""
        return {**percentiles(self.wall_ms), 'cpu_ms': float(np.median(self.cpu_ms))}


def in_turn(
    runs: Mapping[str, Callable[[], object]], rounds: int, advance: Callable[[], None]
) -> dict[str, Times]:
    """Runs every candidate once per round, in order.

    Args:
        runs: The candidates by name; their work must be complete when they return.
        rounds: Number of rounds that count.
        advance: Called after every round, including warm-up rounds.
    """
    times = {name: Times() for name in runs}
    for index in range(WARM_UPS + rounds):
        for name, run in runs.items():
            wall, cpu = time.perf_counter(), time.process_time()
            run()
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            if index >= WARM_UPS:
                times[name].wall_ms.append(1e3 * wall)
                times[name].cpu_ms.append(1e3 * cpu)
        advance()
    return times


def rounds_in_all(rounds: int) -> int:
    """Returns how often `in_turn` calls `advance`."""
    return WARM_UPS + rounds


def percentiles(milliseconds: Sequence[float]) -> dict[str, float]:
    """Returns p50, p95 and p99, ready for JSON."""
    return {f'{p}_ms': value for p, value in Percentiles.of(milliseconds)._asdict().items()}
