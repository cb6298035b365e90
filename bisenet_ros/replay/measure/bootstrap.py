# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tests by paired bootstrap over frames whether two models differ in IoU by more than chance.

Each resample draws as many frames as there are, with replacement, and computes IoU from the sum of
their confusion matrices, as for a whole drive. The same frames are drawn for both models, so a
frame that is hard for both does not count as a difference.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bisenet_ros.metrics.confusion import Floats, Overlaps, iou

RESAMPLES = 2000
LEVEL = 0.95

# Elements in the matrix of one block of resamples, which bounds memory.
_BLOCK = 1 << 22


class Interval(NamedTuple):
    """A confidence interval with the probability `LEVEL`."""

    low: float
    high: float


def resampled_iou(
    a: Overlaps, b: Overlaps, *, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[Floats, Floats]:
    """Computes the IoU of both models in each resample of their common frames.

    Args:
        a: (N, K) by frame and class; N is at least 1.
        b: The same frames with the other model.
        resamples: Number of resamples.
        seed: Seed of the random numbers.

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
    """Returns the central `LEVEL` of (resamples,) values without NaN; None if all are NaN."""
    known = values[~np.isnan(values)]
    if not known.size:
        return None
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()
    return Interval(low, high)
