# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Decides whether the frames of several cameras share an inference or take turns.

Both give the same labels, but for those that rounding decides on a GPU. Together, they share what
an inference costs whatever its size, which counts where the network is small for its device. One
after the other, the first camera's labels are out sooner, and the frame of each later one is as new
as can be when its turn comes: so a batch must be faster by more than noise. Which it is, is
measured when the network is loaded.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from bisenet_ros.segmenter import Segmenter

BUDGET = 1.0
"""Seconds that the measurement may take, about."""

MOST_ROUNDS = 7
"""How often both ways are timed where there is time enough."""

WORTHWHILE = 0.9
"""A batch is to take at most this share of the time that its frames take one after the other."""


@dataclass(frozen=True)
class Batching:
    """How the frames of several cameras are segmented.

    Attributes:
        together: As one batch, and not one after the other.
        reason: Why so, for a user.
    """

    together: bool
    reason: str

    def __str__(self) -> str:
        return 'together' if self.together else 'one after the other'


EACH_FRAME = Batching(together=False, reason='every frame is segmented by itself')
"""How frames are segmented where all of them are, whatever time that takes."""


def choose_batching(
    segmenter: Segmenter, cameras: int, clock: Callable[[], float] = time.perf_counter
) -> Batching:
    """Measure which way is faster when every camera has a new frame.

    Where batches win, every size of them has been run once: nothing is left to be compiled or
    captured when the first frames come.

    Args:
        segmenter: Has run before, so that its times are those of later runs.
        cameras: How many there are.
        clock: Tells seconds.
    """

    def seconds(action: Callable[[], object]) -> float:
        start = clock()
        action()
        return clock() - start

    if cameras == 1:
        return Batching(together=False, reason='there is one camera')
    from torch.cuda import OutOfMemoryError  # whoever has a segmenter has torch

    width, height = segmenter.network_size
    frames = [np.zeros((height, width, 3), np.uint8)] * cameras

    def segment(count: int) -> object:
        # Without ego masks, which have the shape of a camera's images.
        return segmenter.batch(frames[:count], [None] * count)

    # Here and below the least of several, for whatever else the machine does only adds to it.
    single = min(seconds(lambda: segment(1)) for _ in range(2))
    warm_up = single * sum(range(2, cameras + 1))
    rounds = int((BUDGET - warm_up) / (2 * cameras * single))
    if rounds < 1:
        reason = f'next to the {1e3 * single:.0f} ms of one frame, a batch has little to save'
        return Batching(together=False, reason=reason)
    try:
        for size in range(2, cameras + 1):
            segment(size)
        batched, singly = [], []
        for _ in range(min(rounds, MOST_ROUNDS)):
            batched.append(seconds(lambda: segment(cameras)))
            singly.append(seconds(lambda: [segment(1) for _ in frames]))
    except OutOfMemoryError:
        reason = f'the device has too little memory for a batch of {cameras}'
        return Batching(together=False, reason=reason)
    reason = (
        f'{cameras} frames take {1e3 * min(batched):.1f} ms together'
        f' and {1e3 * min(singly):.1f} ms one after the other'
    )
    return Batching(min(batched) <= WORTHWHILE * min(singly), reason)
