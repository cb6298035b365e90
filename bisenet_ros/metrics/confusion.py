# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How good labels are against the truth: one confusion matrix, counted in int64."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bisenet_ros.errors import UserError
from bisenet_ros.label_space import IGNORE


class ConfusionMatrix:
    """Counts of pixels by (true class, predicted class).

    Pixels whose truth is `IGNORE` do not count. A prediction of `IGNORE` (not labelled) on a pixel
    that has a truth is a miss of the true class.
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        # The last column counts pixels that were not labelled.
        self._counts = np.zeros((num_classes, num_classes + 1), np.int64)

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """(num_classes, num_classes + 1) int64: row = truth, column = prediction or unlabelled."""
        return self._counts

    def update(self, labels: npt.NDArray[np.uint8], truth: npt.NDArray[np.uint8]) -> None:
        """Count one image.

        Args:
            labels: (H, W) predicted ids, `IGNORE` where nothing was predicted.
            truth: (H, W) true ids, `IGNORE` where there is no truth.

        Raises:
            UserError: The sizes differ, or an id is not a class.
        """
        if labels.shape != truth.shape:
            raise UserError(
                f'labels are {labels.shape[1]}x{labels.shape[0]}, '
                f'but the truth is {truth.shape[1]}x{truth.shape[0]}'
            )
        valid = truth != IGNORE
        true, predicted = truth[valid].astype(np.int64), labels[valid].astype(np.int64)
        for what, ids in (('truth', true), ('prediction', predicted[predicted != IGNORE])):
            if ids.size and ids.max() >= self.num_classes:
                raise UserError(
                    f'the {what} has id {ids.max()}, but there are only classes '
                    f'0 to {self.num_classes - 1} (and {IGNORE} for none)'
                )
        predicted[predicted == IGNORE] = self.num_classes
        columns = self.num_classes + 1
        flat = np.bincount(true * columns + predicted, minlength=self._counts.size)
        self._counts += flat.reshape(self._counts.shape)

    def add(self, other: ConfusionMatrix) -> None:
        """Count the images of another, too."""
        self._counts += other._counts

    def iou(self) -> npt.NDArray[np.float64]:
        """(num_classes,) intersection over union; NaN for classes in neither truth nor labels."""
        hits = np.diagonal(self._counts).astype(np.float64)
        union = self._counts.sum(1) + self._counts[:, : self.num_classes].sum(0) - hits
        iou = np.full(self.num_classes, np.nan)
        np.divide(hits, union, out=iou, where=union > 0)
        return iou

    def miou(self) -> float:
        """Mean IoU of the classes that occur; NaN where nothing was counted."""
        iou = self.iou()
        present = ~np.isnan(iou)
        return float(iou[present].mean()) if present.any() else float('nan')

    def frequency_weighted_iou(self) -> float:
        """Mean IoU, each class weighted by its share of the truth; NaN where nothing was counted.

        What is seldom counts little: the counterpart of `miou`, in which every class counts alike.
        """
        pixels = self._counts.sum(1)
        present = pixels > 0
        if not present.any():
            return float('nan')
        return float(np.average(self.iou()[present], weights=pixels[present]))

    def group_iou(self, ids: tuple[int, ...]) -> float:
        """IoU of several classes taken as one, such as all that can be driven on."""
        members = np.zeros(self.num_classes + 1, bool)
        members[list(ids)] = True
        rows = self._counts[members[: self.num_classes]]
        hits = int(rows[:, members].sum())
        union = int(rows.sum()) + int(self._counts[~members[: self.num_classes]][:, members].sum())
        return hits / union if union else float('nan')

    def pixel_accuracy(self) -> float:
        """Share of the pixels with a truth that were labelled rightly; NaN where there are none."""
        total = int(self._counts.sum())
        return int(np.trace(self._counts)) / total if total else float('nan')
