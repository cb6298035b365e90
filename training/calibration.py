# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Determines from labelled frames which error rate of the drivable mask can be stated.

Learn Then Test (Angelopoulos et al., 2021): for each confidence threshold, from the strictest to
the most permissive, the hypothesis that the rate exceeds the limit is tested. The tests end at the
first threshold where it cannot be rejected. So a wrong statement has a probability of at most
`1 - confidence`, however many thresholds are tested. The tests assume independent frames; those of
one drive are correlated, so the effective number of frames is smaller.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import binom

from bisenet_ros.drivable import drivable_mask, without_low_confidence, without_small_areas
from bisenet_ros.label_space import IGNORE
from bisenet_ros.segmentation import Segmentation
from bisenet_ros.trust.anomaly import MaxLogits

LEVELS = tuple(range(0, 256, 5))
"""The confidences, 0 to 255, that are tried as the lowest one of a drivable pixel."""


class MaskErrors(NamedTuple):
    """How right a frame's drivable mask is, for each of `LEVELS` as the lowest confidence.

    Attributes:
        false_drivable: (levels,) share of the mask's known pixels that are not drivable; 0 where
            the mask is empty, and 1, as if all were wrong, where none of its pixels is known.
        kept: (levels,) share of the drivable area that is in the mask; NaN where there is none.
    """

    false_drivable: npt.NDArray[np.float64]
    kept: npt.NDArray[np.float64]


def mask_errors(
    found: Segmentation,
    truth: npt.NDArray[np.uint8],
    drivable_ids: Sequence[int],
    min_drivable_area: float,
) -> MaskErrors | None:
    """Compares the drivable masks of a frame with the truth.

    Whether the truth suffices is decided by the largest mask, that of the lowest level, so that the
    rates of all levels are of the same frames.

    Args:
        found: The frame, segmented without a `drivable_threshold`.
        truth: (H, W) uint8 true class ids; `IGNORE` does not count.
        drivable_ids: Ids of the drivable classes.
        min_drivable_area: As in `ModelSettings`.

    Returns:
        None if the truth is not known for any pixel of the frame, or of its largest mask.
    """
    known = truth != IGNORE
    if not known.any():
        return None
    drivable = np.isin(truth, drivable_ids)
    area = np.count_nonzero(drivable)
    mask = drivable_mask(found.labels, drivable_ids)
    rates, kept = np.zeros(len(LEVELS)), np.full(len(LEVELS), np.nan)
    for index, level in enumerate(LEVELS):
        sure = without_low_confidence(mask, found.confidence, level)
        predicted = without_small_areas(sure, min_drivable_area) > 0
        count = np.count_nonzero(predicted & known)
        right = np.count_nonzero(predicted & drivable)
        if count:
            rates[index] = (count - right) / count
        elif predicted.any():
            if level == LEVELS[0]:
                return None
            rates[index] = 1
        if area:
            kept[index] = right / area
    return MaskErrors(rates, kept)


def p_value(mean: float, frames: int, limit: float) -> float:
    """Returns the p-value of "the expected rate exceeds the limit", by Hoeffding and Bentkus.

    Bates et al., "Distribution-Free, Risk-Controlling Prediction Sets", 2021, section 3.1.

    Args:
        mean: Mean rate of the frames, each 0 to 1.
        frames: Number of frames.
        limit: The limit, above 0 and below 1.
    """
    if mean >= limit:
        return 1.0
    divergence = (1 - mean) * math.log((1 - mean) / (1 - limit))
    if mean > 0:
        divergence += mean * math.log(mean / limit)
    bentkus = math.e * float(binom.cdf(math.ceil(frames * mean), frames, limit))
    return min(math.exp(-frames * divergence), bentkus)


def lowest_level(rates: npt.NDArray[np.float64], limit: float, confidence: float) -> int | None:
    """Returns the lowest of `LEVELS` for which the limit can be stated; None if there is none.

    Args:
        rates: (frames, levels), see `MaskErrors.false_drivable`.
        limit: Upper limit of the expected rate.
        confidence: Probability with which it must hold.
    """
    frames = len(rates)
    found = None
    for level, mean in reversed(list(zip(LEVELS, rates.mean(axis=0), strict=True))):
        if p_value(float(mean), frames, limit) > 1 - confidence:
            break
        found = level
    return found


def min_frames(limit: float, confidence: float) -> int:
    """Returns how many frames without any error are needed to state a limit."""
    frames = math.ceil(math.log1p(-confidence) / math.log1p(-limit))
    # Where the quotient is a whole number, rounding can make it one too few for `p_value`.
    return frames if p_value(0.0, frames, limit) <= 1 - confidence else frames + 1


class MaxLogitStatistics:
    """Gathers mean and deviation of the highest logit, by the class that has it.

    Args:
        classes: Number of classes.
        data: Description of the frames.
    """

    def __init__(self, classes: int, data: str) -> None:
        self._data = data
        self._count = np.zeros(classes)
        self._sum = np.zeros(classes)
        self._squares = np.zeros(classes)

    def add(self, logits: npt.NDArray[np.float32]) -> None:
        """Adds a frame's logits, (C, h, w)."""
        classes = len(self._count)
        labels = logits.argmax(axis=0).ravel()
        highest = logits.max(axis=0).ravel().astype(np.float64)
        self._count += np.bincount(labels, minlength=classes)
        self._sum += np.bincount(labels, highest, minlength=classes)
        self._squares += np.bincount(labels, highest**2, minlength=classes)

    def result(self) -> MaxLogits:
        """Returns the statistics; those of all classes together for classes that do not occur."""
        rare = self._count < 2
        count, total, squares = (
            np.where(rare, values.sum(), values)
            for values in (self._count, self._sum, self._squares)
        )
        mean = total / count
        deviation = np.sqrt(np.maximum(squares / count - mean**2, 1e-6))
        return MaxLogits(tuple(mean.tolist()), tuple(deviation.tolist()), self._data)
