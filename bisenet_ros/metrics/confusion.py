# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The confusion matrix of labels and ground truth, and figures computed from it."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from bisenet_ros.errors import UserError
from bisenet_ros.label_space import IGNORE, LabelSpace
from bisenet_ros.metrics.metric import Figure, Frame, Metric

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Overlaps(NamedTuple):
    """Intersection and union, additive over frames.

    Attributes:
        hits: (..., K) pixels that have the class in ground truth and labels.
        unions: (..., K) pixels that have it in ground truth or labels.
    """

    hits: Counts
    unions: Counts

    def sum(self) -> Overlaps:
        """Returns the sum over all frames, (K,)."""
        return Overlaps(self.hits.sum(axis=0), self.unions.sum(axis=0))


def overlaps(confusion: Counts) -> Overlaps:
    """Computes intersection and union of each class.

    Args:
        confusion: (..., C, C + 1) pixels by true class and label; the last column: no label.
    """
    labelled = confusion[..., :-1]
    hits = np.diagonal(labelled, axis1=-2, axis2=-1)
    return Overlaps(hits, confusion.sum(axis=-1) + labelled.sum(axis=-2) - hits)


def group_overlaps(confusion: Counts, ids: tuple[int, ...]) -> Overlaps:
    """Computes intersection and union of several classes taken as one, (..., 1)."""
    members = np.zeros(confusion.shape[-1], bool)
    members[list(ids)] = True
    true, predicted = confusion[..., members[:-1], :], confusion[..., members]
    hits = true[..., members].sum(axis=(-2, -1))
    unions = true.sum(axis=(-2, -1)) + predicted.sum(axis=(-2, -1)) - hits
    return Overlaps(hits[..., np.newaxis], unions[..., np.newaxis])


def iou(parts: Overlaps | tuple[Floats, Floats]) -> Floats:
    """Computes (..., K) IoU; NaN for classes in neither ground truth nor labels."""
    hits, unions = parts
    result = np.full(np.shape(hits), np.nan)
    np.divide(hits, unions, out=result, where=unions > 0)
    return result


def mean_iou(by_class: Floats) -> Floats:
    """Computes the (...) mean over the classes that occur; NaN if there are none."""
    present = ~np.isnan(by_class)
    count = present.sum(axis=-1)
    total = np.where(present, by_class, 0.0).sum(axis=-1)
    result = np.full(np.shape(total), np.nan)
    np.divide(total, count, out=result, where=count > 0)
    return result


def pixel_accuracy(confusion: Counts) -> Floats:
    """Computes the (...) fraction of pixels with ground truth that have the correct label.

    NaN if there are no pixels with ground truth.
    """
    hits, total = overlaps(confusion).hits.sum(axis=-1), confusion.sum(axis=(-2, -1))
    return iou((hits, total))


class ConfusionMatrix:
    """Pixel counts by true class and predicted class, int64.

    Pixels whose ground truth is `IGNORE` do not count. A prediction of `IGNORE` (not labelled)
    counts as a miss of the true class.
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        # The last column counts unlabelled pixels.
        self._counts = np.zeros((num_classes, num_classes + 1), np.int64)

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """(num_classes, num_classes + 1) int64: row = truth, column = prediction or unlabelled."""
        return self._counts

    def update(self, labels: npt.NDArray[np.uint8], truth: npt.NDArray[np.uint8]) -> None:
        """Counts one image.

        Args:
            labels: (H, W) predicted ids, `IGNORE` where there is no label.
            truth: (H, W) true ids, `IGNORE` where there is no ground truth.

        Raises:
            UserError: The sizes differ, or an id is not a class.
        """
        if labels.shape != truth.shape:
            raise UserError(
                f'labels are {labels.shape[1]}x{labels.shape[0]}, '
                f'but the ground truth is {truth.shape[1]}x{truth.shape[0]}'
            )
        valid = truth != IGNORE
        true, predicted = truth[valid].astype(np.int64), labels[valid].astype(np.int64)
        for what, ids in (('ground truth', true), ('prediction', predicted[predicted != IGNORE])):
            if ids.size and ids.max() >= self.num_classes:
                raise UserError(
                    f'the {what} has id {ids.max()}, but class ids are 0 to '
                    f'{self.num_classes - 1} (and {IGNORE} for no class)'
                )
        predicted[predicted == IGNORE] = self.num_classes
        columns = self.num_classes + 1
        flat = np.bincount(true * columns + predicted, minlength=self._counts.size)
        self._counts += flat.reshape(self._counts.shape)

    def add(self, other: ConfusionMatrix) -> None:
        """Adds the counts of another matrix."""
        self._counts += other._counts

    def iou(self) -> Floats:
        """Returns the (num_classes,) IoU; NaN for classes in neither ground truth nor labels."""
        return iou(overlaps(self._counts))

    def miou(self) -> float:
        """Returns the mean IoU of the classes that occur; NaN if nothing was counted."""
        return float(mean_iou(self.iou()))

    def frequency_weighted_iou(self) -> float:
        """Returns the mean IoU weighted by the frequency of each class in the ground truth.

        Unlike `miou`, rare classes count little. NaN if nothing was counted.
        """
        pixels = self._counts.sum(1)
        present = pixels > 0
        if not present.any():
            return float('nan')
        return float(np.average(self.iou()[present], weights=pixels[present]))

    def group_iou(self, ids: tuple[int, ...]) -> float:
        """Returns the IoU of several classes taken as one, e.g. all drivable ones."""
        return float(iou(group_overlaps(self._counts, ids))[0])

    def pixel_accuracy(self) -> float:
        """Returns the fraction of pixels with ground truth that have the correct label.

        NaN if there are no pixels with ground truth.
        """
        return float(pixel_accuracy(self._counts))


class LabelAccuracy(Metric):
    """The metrics that follow from the confusion matrix."""

    def __init__(self, label_space: LabelSpace) -> None:
        super().__init__(label_space)
        self.matrix = ConfusionMatrix(len(label_space))

    def update(self, frame: Frame) -> None:
        self.matrix.update(frame.labels, frame.true_labels)

    def add(self, other: LabelAccuracy) -> None:
        self.matrix.add(other.matrix)

    def miou(self) -> float:
        return self.matrix.miou()

    def pixel_accuracy(self) -> float:
        return self.matrix.pixel_accuracy()

    def frequency_weighted_iou(self) -> float:
        return self.matrix.frequency_weighted_iou()

    def details(self) -> dict[str, Any]:
        return {
            'iou': self.by_class(self.matrix.iou()),
            'confusion': self.matrix.counts.tolist(),
        }

    figures: ClassVar = {
        Figure('miou', 'mIoU'): miou,
        Figure('pixel_accuracy', 'pixel accuracy'): pixel_accuracy,
        Figure(
            'frequency_weighted_iou', 'frequency-weighted IoU', per_frame=False
        ): frequency_weighted_iou,
    }
