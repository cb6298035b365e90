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
import numpy.typing as npt

RESAMPLES = 2000
LEVEL = 0.95

# Numbers in the matrix of a block of resamples, to bound its memory.
_BLOCK = 1 << 22

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Overlaps(NamedTuple):
    """What IoU is made of, additive over frames.

    Attributes:
        hits: (..., K) pixels that are in a class by truth and label.
        unions: (..., K) pixels that are in it by truth or label.
    """

    hits: Counts
    unions: Counts

    def sum(self) -> Overlaps:
        """(K,) of all frames together."""
        return Overlaps(self.hits.sum(axis=0), self.unions.sum(axis=0))


class Interval(NamedTuple):
    """Where a value lies with the probability `LEVEL`."""

    low: float
    high: float


def overlaps(confusion: Counts) -> Overlaps:
    """Of each class.

    Args:
        confusion: (..., C, C + 1) pixels by true class and label; the last column: no label.
    """
    labelled = confusion[..., :-1]
    hits = np.diagonal(labelled, axis1=-2, axis2=-1)
    return Overlaps(hits, confusion.sum(axis=-1) + labelled.sum(axis=-2) - hits)


def group_overlaps(confusion: Counts, ids: tuple[int, ...]) -> Overlaps:
    """Of several classes taken as one: (..., 1)."""
    members = np.zeros(confusion.shape[-1], bool)
    members[list(ids)] = True
    true, called = confusion[..., members[:-1], :], confusion[..., members]
    hits = true[..., members].sum(axis=(-2, -1))
    unions = true.sum(axis=(-2, -1)) + called.sum(axis=(-2, -1)) - hits
    return Overlaps(hits[..., np.newaxis], unions[..., np.newaxis])


def iou(parts: Overlaps | tuple[Floats, Floats]) -> Floats:
    """(..., K) intersection over union; NaN for classes in neither truth nor labels."""
    hits, unions = parts
    result = np.full(np.shape(hits), np.nan)
    np.divide(hits, unions, out=result, where=unions > 0)
    return result


def mean_iou(by_class: Floats) -> Floats:
    """(...) mean over the classes that occur; NaN where there are none."""
    present = ~np.isnan(by_class)
    count = present.sum(axis=-1)
    total = np.where(present, by_class, 0.0).sum(axis=-1)
    result = np.full(np.shape(total), np.nan)
    np.divide(total, count, out=result, where=count > 0)
    return result


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
