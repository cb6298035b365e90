# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Boundary F-score: how well labels follow outlines, to which IoU is hardly sensitive.

After Csurka et al., "What is a good evaluation measure for semantic segmentation?" (BMVC 2013).
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from bisenet_ros.label_space import IGNORE, LabelSpace
from bisenet_ros.metrics.metric import Figure, Frame, Metric

TOLERANCE = 0.0075
"""Tolerance of a boundary as a fraction of the image diagonal."""

# Classes whose boundaries are compared at once: one bit each.
_TOGETHER = 16

Mask = npt.NDArray[np.bool_]


class BoundaryScore(Metric):
    """Counts boundary pixels of each class, and how many of them are matched.

    A pixel is on the boundary of its class if one of its four neighbours has another class. It is
    matched if the other image (ground truth or labels) has a boundary pixel of the same class
    within the tolerance. Pixels within the tolerance of a pixel without ground truth do not count,
    because their counterpart may lie there.
    """

    def __init__(self, label_space: LabelSpace) -> None:
        super().__init__(label_space)
        # By class: boundary pixels, and matched ones.
        self._found = np.zeros((len(label_space), 2), np.int64)
        self._true = np.zeros((len(label_space), 2), np.int64)

    def update(self, frame: Frame) -> None:
        labels, truth = frame.labels, frame.true_labels
        tolerance = TOLERANCE * math.hypot(*truth.shape)
        found, true = _boundary(labels), _boundary(truth)
        right, seen = np.zeros_like(found), np.zeros_like(true)
        for first in range(0, len(self._found), _TOGETHER):
            members = np.arange(first, min(first + _TOGETHER, 256))
            bits = np.zeros(256, np.uint16)
            bits[members] = 1 << (members - first)
            of_labels, of_truth = np.where(found, bits[labels], 0), np.where(true, bits[truth], 0)
            right |= (of_labels & _spread(of_truth, tolerance)) != 0
            seen |= (of_truth & _spread(of_labels, tolerance)) != 0
        counted = ~_spread(truth == IGNORE, tolerance)
        for counts, ids, boundary, matched in (
            (self._found, labels, found, right),
            (self._true, truth, true, seen),
        ):
            for column, pixels in enumerate((boundary, matched)):
                counts[:, column] += np.bincount(ids[pixels & counted], minlength=len(counts))

    def add(self, other: BoundaryScore) -> None:
        self._found += other._found
        self._true += other._true

    def f_scores(self) -> npt.NDArray[np.float64]:
        """Returns the (num_classes,) F-score: the harmonic mean of precision and recall.

        Precision is the matched fraction of the predicted boundary, recall that of the true one.
        The score is 0 if only one of them has the class, NaN if neither has.
        """
        (found, right), (true, seen) = self._found.T, self._true.T
        occurs = found + true > 0
        scores = np.full(len(occurs), np.nan)
        precision, recall = right / np.maximum(found, 1), seen / np.maximum(true, 1)
        total = precision + recall
        scores[occurs] = 0.0
        np.divide(2 * precision * recall, total, out=scores, where=occurs & (total > 0))
        return scores

    def mean(self) -> float:
        """Returns the mean F-score of the classes that occur; NaN if nothing was counted."""
        scores = self.f_scores()
        present = ~np.isnan(scores)
        return float(scores[present].mean()) if present.any() else float('nan')

    def details(self) -> dict[str, Any]:
        return {'boundary_f_by_class': self.by_class(self.f_scores())}

    figures: ClassVar = {Figure('boundary_f', 'boundary F-score'): mean}


def _boundary(ids: npt.NDArray[np.uint8]) -> Mask:
    """Marks pixels with a neighbour of another class; `IGNORE` makes no boundary."""
    boundary = np.zeros(ids.shape, bool)
    known = ids != IGNORE
    for one, other in (
        (np.s_[1:, :], np.s_[:-1, :]),
        (np.s_[:, 1:], np.s_[:, :-1]),
    ):
        differ = (ids[one] != ids[other]) & known[one] & known[other]
        boundary[one] |= differ
        boundary[other] |= differ
    return boundary


def _spread(values: npt.NDArray[Any], tolerance: float) -> npt.NDArray[Any]:
    """Returns (H, W), the bitwise or over all pixels within `tolerance`."""
    height, width = values.shape
    result: npt.NDArray[Any] = values.copy()
    wide = values.copy()
    reach, half = min(int(tolerance), height - 1), 0
    # A disc, row by row from its narrow ends, so that each row extends the one before.
    for rows in range(reach, -1, -1):
        needed = math.isqrt(int(tolerance**2) - rows**2)
        for columns in range(half + 1, min(needed, width - 1) + 1):
            wide[:, columns:] |= values[:, :-columns]
            wide[:, :-columns] |= values[:, columns:]
        half = needed
        result[rows:] |= wide[: height - rows]
        result[: height - rows] |= wide[rows:]
    return result
