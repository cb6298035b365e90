# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A camera at a fixed rate, and what the newest-frame-wins slot of the node makes of it.

The method is that of Isaac ROS: latency at fixed rates, and the highest rate at which under 5 % of
the frames are dropped. Frames come from a thread of this process by the clock, whether or not the
segmenter keeps up; a frame that nobody took before the next one came is dropped.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from bisenet_ros.benchmark.frame import Message
from bisenet_ros.benchmark.rounds import percentiles
from bisenet_ros.camera_slot import CameraSlot

MOST_DROPPED = 0.05
"""The share of frames that may be dropped at a rate that counts as sustained."""

LEAST_FRAMES = 40
"""Frames of a trial: with fewer, one dropped frame would weigh too much."""

BISECTIONS = 7
"""Trials that `highest_sustained` makes: down to a 64th of what seems possible."""


@dataclass(frozen=True)
class Trial:
    """What happened at one rate.

    Attributes:
        rate: Frames per second that the camera gave.
        received: How many in all.
        dropped: How many a newer one replaced.
        seconds: From the first frame to the end of the last one's work.
        ages_ms: From when a frame was due to when its messages were ready, for those processed.
        cpu_seconds: That all threads of the process spent on CPUs.
    """

    rate: float
    received: int
    dropped: int
    seconds: float
    ages_ms: tuple[float, ...]
    cpu_seconds: float

    @property
    def sustained(self) -> bool:
        """Whether few enough frames were dropped."""
        return self.dropped < MOST_DROPPED * self.received

    def figures(self) -> dict[str, float]:
        """In a form that JSON can hold."""
        return {
            'rate_hz': self.rate,
            'received_frames': self.received,
            'dropped_frames': self.dropped,
            'processed_fps': len(self.ages_ms) / self.seconds,
            'cpu_percent': 100 * self.cpu_seconds / self.seconds,
            **{f'age_{name}': value for name, value in percentiles(self.ages_ms).items()},
        }


def stream(
    process: Callable[[Message], object], message: Message, rate: float, seconds: float
) -> Trial:
    """Let a camera give one frame again and again, and process what can be.

    Args:
        process: Does the node's work on a message.
        message: What the camera gives.
        rate: Frames per second.
        seconds: How long; longer where that would be fewer than `LEAST_FRAMES`.
    """
    arrival = threading.Condition()
    slot = CameraSlot('', arrival)
    frames = max(LEAST_FRAMES, math.ceil(seconds * rate))
    ended = threading.Event()
    start = time.monotonic()

    def publish() -> None:
        for index in range(frames):
            due = start + index / rate
            ended.wait(due - time.monotonic())
            if ended.is_set():
                return
            slot.put(replace(message, due=due), time.monotonic())
        ended.set()
        with arrival:
            arrival.notify_all()

    def newest() -> Message | None:
        taken: Message | None
        with arrival:
            while (taken := slot.take()) is None and not ended.is_set():
                arrival.wait()
        return taken

    ages_ms = []
    cpu = time.process_time()
    camera = threading.Thread(target=publish, name='camera')
    camera.start()
    try:
        while (taken := newest()) is not None:
            process(taken)
            ages_ms.append(1e3 * (time.monotonic() - taken.due))
    finally:
        ended.set()
        camera.join()
    counts = slot.state.counts
    return Trial(
        rate=rate,
        received=counts.received,
        dropped=counts.dropped,
        seconds=time.monotonic() - start,
        ages_ms=tuple(ages_ms),
        cpu_seconds=time.process_time() - cpu,
    )


def highest_sustained(
    trial: Callable[[float], Trial], unloaded_ms: float, advance: Callable[[], None]
) -> Trial:
    """The trial at the highest rate that is sustained, by bisection.

    Args:
        trial: Tries a rate.
        unloaded_ms: What a frame takes one at a time; up to twice that rate is tried.
        advance: Called after every trial.

    Returns:
        The best trial; where even the lowest rate was not sustained, that one.
    """
    low, high = 0.0, 2 * 1e3 / unloaded_ms
    best = lowest = None
    for _ in range(BISECTIONS):
        rate = (low + high) / 2
        tried = trial(rate)
        advance()
        if tried.sustained:
            low, best = rate, tried
        else:
            high, lowest = rate, tried
    found = best or lowest
    assert found is not None
    return found
