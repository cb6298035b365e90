# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames as the node would have taken them: they arrive by their stamps, and the newest wins.

Time is simulated. What the node does is run and measured, and the clock goes on by that; waiting
for the next frame takes no time, and what only the evaluation needs (figures, pictures) does not
make the node late.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from bisenet_ros.bag.reader import Camera, RecordedFrame
from bisenet_ros.camera_slot import CameraSlot
from bisenet_ros.replay.measure.evaluator import Taken


class Arrived(NamedTuple):
    """A frame in its camera's slot.

    Attributes:
        frame: The frame.
        time: Seconds since the first frame, when it arrived.
    """

    frame: RecordedFrame
    time: float


def replay_as_driven(
    frames: Iterable[RecordedFrame],
    cameras: Sequence[Camera],
    rate: float,
    work: Callable[[Sequence[Taken]], float],
) -> dict[str, int]:
    """Hand on the newest frame of every camera that has one, whenever the worker is free.

    Args:
        frames: In the order in which they arrive; one whose stamp goes backwards arrives at once.
        cameras: Whose frames they are.
        rate: How many times as fast as they were recorded they arrive.
        work: Does what the node does with frames of several cameras, in one inference; returns the
            seconds that the node is busy with it.

    Returns:
        Frames that a newer one replaced, by image topic.
    """
    arrival = threading.Condition()
    slots = {camera.image_topic: CameraSlot(camera.name, arrival) for camera in cameras}
    first_stamp: int | None = None
    now = 0.0
    free_at = 0.0
    waiting_since: float | None = None

    def work_before(time: float) -> None:
        nonlocal free_at, waiting_since
        if waiting_since is None:
            return
        start = max(free_at, waiting_since)
        # Frames that arrive at the moment of the start are taken, too.
        if start < time:
            arrived = [message for slot in slots.values() if (message := slot.take()) is not None]
            free_at = start + work([Taken(one.frame, start - one.time) for one in arrived])
            waiting_since = None

    for frame in frames:
        first_stamp = frame.stamp if first_stamp is None else first_stamp
        now = max(now, (frame.stamp - first_stamp) / 1e9 / rate)
        work_before(now)
        slots[frame.camera.image_topic].put(Arrived(frame, now), now)
        waiting_since = now if waiting_since is None else waiting_since
    work_before(float('inf'))
    return {topic: slot.state.counts.dropped for topic, slot in slots.items()}
