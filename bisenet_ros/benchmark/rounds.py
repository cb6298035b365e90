# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Times of things that are run in turn, so that whatever else the machine does hits all alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

WARM_UPS = 2
"""Rounds that do not count: caches, and what is made at the first call."""


@dataclass
class Times:
    """What one contestant took, round by round.

    Attributes:
        wall_ms: By the clock on the wall.
        cpu_ms: Of all threads together on all cores, which a busy machine changes less.
    """

    wall_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)

    @property
    def median_ms(self) -> float:
        """Of the wall clock's."""
        return float(np.median(self.wall_ms))

    def figures(self) -> dict[str, float]:
        """In a form that JSON can hold."""
        return {**percentiles(self.wall_ms), 'cpu_ms': float(np.median(self.cpu_ms))}


def in_turn(
    runs: Mapping[str, Callable[[], object]], rounds: int, advance: Callable[[], None]
) -> dict[str, Times]:
    """Run each once, in their order, then all once more, and so on.

    Args:
        runs: The contestants by name; a run has done its work when it returns.
        rounds: How many count.
        advance: Called after every round, those that do not count included.
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
    """How often `in_turn` advances."""
    return WARM_UPS + rounds


def percentiles(milliseconds: Sequence[float]) -> dict[str, float]:
    """The usual three, in a form that JSON can hold."""
    p50, p95, p99 = np.percentile(milliseconds, (50, 95, 99)).tolist()
    return {'p50_ms': p50, 'p95_ms': p95, 'p99_ms': p99}
