# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which frames the node would have taken, worked out by hand for a worker of known speed."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bisenet_ros.bag.reader import Camera, RecordedFrame
from bisenet_ros.replay.measure.evaluator import Taken
from bisenet_ros.replay.measure.simulated_arrival import simulate_arrival

FRONT = Camera('front', '/front', None, 0)
REAR = Camera('rear', '/rear', None, 0)


def frame(camera: Camera, index: int, seconds: float) -> RecordedFrame:
    stamp = round(1e9 * seconds)
    return RecordedFrame(camera, index, stamp, stamp, None, None)


def every(interval: float, count: int, camera: Camera = FRONT) -> list[RecordedFrame]:
    return [frame(camera, index, 5 + index * interval) for index in range(count)]


class Worker:
    """Takes the same time for every batch, and remembers what it took."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.batches: list[list[tuple[str, int]]] = []
        self.waited: list[float | None] = []

    def __call__(self, taken: Sequence[Taken]) -> float:
        self.batches.append([(one.frame.camera.name, one.frame.index) for one in taken])
        self.waited += [one.waited for one in taken]
        return self.seconds

    @property
    def indices(self) -> list[int]:
        return [index for batch in self.batches for _, index in batch]


def driven(
    frames: list[RecordedFrame],
    cameras: list[Camera],
    rate: float,
    worker: Worker,
    *,
    together: bool = True,
    max_rate: float = 0.0,
) -> dict[str, int]:
    return simulate_arrival(frames, cameras, rate, worker, together=together, max_rate=max_rate)


def test_a_fast_worker_takes_every_frame_at_once() -> None:
    worker = Worker(0.09)
    assert driven(every(0.1, 5), [FRONT], 1.0, worker) == {'/front': 0}
    assert worker.indices == [0, 1, 2, 3, 4]
    assert worker.waited == [0] * 5


def test_the_newest_wins_while_the_worker_is_busy() -> None:
    worker = Worker(0.25)
    # Busy from 0 to 0.25 with frame 0: frame 2, of 0.2, has replaced frame 1. Then to 0.5: 5, which
    # arrives at that moment, has replaced 4 and that one 3. Then to 0.75: 7 has replaced 6.
    assert driven(every(0.1, 9), [FRONT], 1.0, worker) == {'/front': 4}
    assert worker.indices == [0, 2, 5, 7, 8]
    assert worker.waited == pytest.approx([0, 0.05, 0, 0.05, 0.2])


def test_twice_as_fast() -> None:
    slow, fast = Worker(0.1), Worker(0.05)
    dropped = driven(every(0.03, 50), [FRONT], 1.0, slow)
    assert driven(every(0.03, 50), [FRONT], 2.0, fast) == dropped
    assert fast.indices == slow.indices


def test_several_cameras_share_one_inference() -> None:
    frames = [f for pair in zip(every(0.1, 3), every(0.1, 3, REAR), strict=True) for f in pair]
    worker = Worker(0.01)
    assert driven(frames, [FRONT, REAR], 1.0, worker) == {'/front': 0, '/rear': 0}
    assert worker.batches == [[('front', i), ('rear', i)] for i in range(3)]


def test_a_slow_camera_does_not_wait_for_a_fast_one() -> None:
    frames = sorted([*every(0.1, 10), *every(0.5, 2, REAR)], key=lambda one: one.stamp)
    worker = Worker(0.15)
    dropped = driven(frames, [FRONT, REAR], 1.0, worker)
    assert dropped['/rear'] == 0
    assert dropped['/front'] == 10 - sum(
        ('front', i) in b for b in worker.batches for i in range(10)
    )
    assert [batch for batch in worker.batches if ('rear', 1) in batch]


def test_a_stamp_that_goes_back_arrives_at_once() -> None:
    frames = [frame(FRONT, 0, 5.0), frame(FRONT, 1, 6.0), frame(FRONT, 2, 2.0)]
    worker = Worker(0.1)
    # Frame 2 arrives with frame 1, and replaces it.
    assert driven(frames, [FRONT], 1.0, worker) == {'/front': 1}
    assert worker.indices == [0, 2]


def test_no_frames() -> None:
    worker = Worker(0.1)
    assert driven([], [FRONT], 1.0, worker) == {'/front': 0}
    assert worker.batches == []


def test_one_after_the_other_the_newest_of_a_later_camera_is_taken_when_its_turn_comes() -> None:
    frames = sorted([*every(0.1, 4), *every(0.1, 4, REAR)], key=lambda one: one.stamp)
    worker = Worker(0.1)
    dropped = driven(frames, [FRONT, REAR], 1.0, worker, together=False)
    # Busy with front 0 until 0.1, when rear 1 has replaced rear 0; then until 0.2, and so on.
    assert worker.batches == [
        [('front', 0)],
        [('rear', 1)],
        [('front', 2)],
        [('rear', 3)],
        [('front', 3)],
    ]
    assert dropped == {'/front': 1, '/rear': 2}


@pytest.mark.parametrize('seconds', [0.01, 0.15])  # busy until before a frame, and after one
def test_max_rate_lets_rounds_begin_only_so_often(seconds: float) -> None:
    worker = Worker(seconds)
    # Rounds from 0, 0.25, 0.5, 0.75: the newest frames by then are 2, 5 and 7, and 8 is left.
    assert driven(every(0.1, 9), [FRONT], 1.0, worker, max_rate=4.0) == {'/front': 4}
    assert worker.indices == [0, 2, 5, 7, 8]
    assert worker.waited == pytest.approx([0, 0.05, 0, 0.05, 0.2])


def test_max_rate_counts_rounds_not_cameras() -> None:
    frames = sorted([*every(0.1, 3), *every(0.1, 3, REAR)], key=lambda one: one.stamp)
    worker = Worker(0.01)
    dropped = driven(frames, [FRONT, REAR], 1.0, worker, together=False, max_rate=10.0)
    assert worker.batches == [[(name, i)] for i in range(3) for name in ('front', 'rear')]
    assert dropped == {'/front': 0, '/rear': 0}
