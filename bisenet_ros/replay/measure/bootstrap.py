# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Is a difference more than chance? IoU of resampled frames, the same ones for both models.

Each resample draws as many frames as there are, with replacement, and takes the IoU of the sum of
their confusion matrices, as it is taken for a whole drive. A frame is drawn for both models or for
neither, so what makes it hard for both does not count as a difference.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bisenet_ros.metrics.confusion import Floats, Overlaps, iou

RESAMPLES = 2000
LEVEL = 0.95

# Numbers in the matrix of a block of resamples, to bound its memory.
_BLOCK = 1 << 22


class Interval(NamedTuple):
    """Where a value lies with the probability `LEVEL`."""

    low: float
    high: float


def resampled_iou(
    a: Overlaps, b: Overlaps, *, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[Floats, Floats]:
    """IoU of both models in each resample of the frames that they have in common.

    Args:
        a: (N, K) by frame and class; N is at least 1.
        b: The same frames as another model sees them.
        resamples: How many.
        seed: Of the random numbers.

    Returns:
        (resamples, K) each.
    """
    frames, classes = a.hits.shape
    parts = np.concatenate([*a, *b], axis=1).astype(np.float64)  # (N, 4 K), exact up to 2^53
    random = np.random.default_rng(seed)
    sums = np.empty((resamples, parts.shape[1]))
    rows = max(1, _BLOCK // frames)
    for start in range(0, resamples, rows):
        block = sums[start : start + rows]
        drawn = random.integers(frames, size=(len(block), frames))
        drawn += np.arange(len(block))[:, np.newaxis] * frames
        times = np.bincount(drawn.reshape(-1), minlength=drawn.size).reshape(drawn.shape)
        block[:] = times @ parts
    hits_a, unions_a, hits_b, unions_b = (
        sums[:, part * classes : (part + 1) * classes] for part in range(4)
    )
    return iou((hits_a, unions_a)), iou((hits_b, unions_b))


def interval(values: Floats) -> Interval | None:
    """The middle `LEVEL` of (resamples,) values, NaN left aside; None where nothing is left."""
    known = values[~np.isnan(values)]
    if not known.size:
        return None
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()
    return Interval(low, high)
