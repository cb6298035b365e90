# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Decides whether the frames of several cameras share an inference or take turns.

Both ways give the same labels, except where rounding on a GPU decides. A batch pays the fixed cost
of an inference once, which matters where the network is small for its device. One after the other,
the first camera's labels are published earlier, and each later camera's frame is as new as possible
when its turn comes. A batch must therefore be faster by more than noise. Both ways are timed when
the network is loaded.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bisenet_ros.engine.device_failure import DeviceFailure, device_failure

if TYPE_CHECKING:
    from bisenet_ros.segmenter import Segmenter

BUDGET = 1.0
"""Approximate time limit of the measurement, seconds."""

MAX_ROUNDS = 7
"""Maximum number of times that both ways are timed."""

WORTHWHILE = 0.9
"""A batch is used if it takes at most this share of the time of its frames one after the other."""


@dataclass(frozen=True)
class Batching:
    """How the frames of several cameras are segmented.

    Attributes:
        together: Whether they form one batch; otherwise they are segmented one after the other.
        reason: The reason, for users.
    """

    together: bool
    reason: str

    def __str__(self) -> str:
        return 'together' if self.together else 'one after the other'


def choose_batching(
    segmenter: Segmenter, cameras: int, clock: Callable[[], float] = time.perf_counter
) -> Batching:
    """Measures which way is faster when every camera has a new frame.

    Before a batch is chosen, every batch size has been run once, so that nothing is compiled or
    captured when the first frames arrive.

    Args:
        segmenter: A segmenter that has run before, so that its times are typical.
        cameras: Number of cameras.
        clock: Returns the time in seconds.

    Raises:
        RuntimeError: The device failed, other than by too little memory for a batch.
    """

    def seconds(action: Callable[[], object]) -> float:
        start = clock()
        action()
        return clock() - start

    if cameras == 1:
        return Batching(together=False, reason='there is one camera')
    width, height = segmenter.network_size
    frames = [np.zeros((height, width, 3), np.uint8)] * cameras

    def segment(count: int) -> object:
        # Without ego masks, because their shape is that of a camera's images.
        return segmenter.batch(frames[:count], [None] * count)

    # Here and below the minimum counts: other load on the machine can only add time.
    single = min(seconds(lambda: segment(1)) for _ in range(2))
    warm_up = single * sum(range(2, cameras + 1))
    rounds = int((BUDGET - warm_up) / (2 * cameras * single))
    if rounds < 1:
        reason = f'one frame takes {1e3 * single:.0f} ms, so a batch would save little'
        return Batching(together=False, reason=reason)
    try:
        for size in range(2, cameras + 1):
            segment(size)
        batched, singly = [], []
        for _ in range(min(rounds, MAX_ROUNDS)):
            batched.append(seconds(lambda: segment(cameras)))
            singly.append(seconds(lambda: [segment(1) for _ in frames]))
    except RuntimeError as error:
        if device_failure(error) is not DeviceFailure.OUT_OF_MEMORY:
            raise
        reason = f'the device has too little memory for a batch of {cameras}'
        return Batching(together=False, reason=reason)
    reason = (
        f'{cameras} frames take {1e3 * min(batched):.1f} ms together'
        f' and {1e3 * min(singly):.1f} ms one after the other'
    )
    return Batching(min(batched) <= WORTHWHILE * min(singly), reason)
