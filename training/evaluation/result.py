# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How good labels are on a data set: every frame counted, and the figures of all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bisenet_ros.errors import UserError
from bisenet_ros.label_space import LabelSpace
from bisenet_ros.metrics import BoundaryScore, Calibration, ConfusionMatrix
from bisenet_ros.metrics.percent import percent
from bisenet_training.datasets import Dataset, Sample
from bisenet_training.evaluation.predictor import Pixels, Prediction, Predictor, id_table


@dataclass(frozen=True)
class EvaluatedFrame:
    """One frame of a data set, and what was found in it.

    Attributes:
        index: Which of the data set.
        sample: The frame and its truth.
        labels: (H, W) uint8, ids in the data set's label space.
        miou: Of this frame alone, 0 to 1; NaN without a truth.
    """

    index: int
    sample: Sample
    labels: Pixels
    miou: float


class EvaluationResult:
    """Counts over the frames of a data set; no frame is kept.

    Attributes:
        label_space: Of the data set.
        frames: How many were counted.
        confusion: Pixels by true class and label.
        boundary: Boundaries of truth and labels.
        calibration: Pixels by confidence; nothing where the predictor gives none.
    """

    def __init__(self, label_space: LabelSpace) -> None:
        self.label_space = label_space
        self.frames = 0
        self.confusion = ConfusionMatrix(len(label_space))
        self.boundary = BoundaryScore(len(label_space))
        self.calibration = Calibration()

    def update(self, labels: Pixels, confidence: Pixels | None, truth: Pixels) -> float:
        """Count one frame, and say its own mIoU.

        Args:
            labels: (H, W) ids found, `IGNORE` where nothing was.
            confidence: (H, W) probability of the label times 255, or None.
            truth: (H, W) true ids, `IGNORE` where there is no truth.

        Raises:
            UserError: The sizes differ, or an id is not a class.
        """
        of_frame = ConfusionMatrix(len(self.label_space))
        of_frame.update(labels, truth)
        self.confusion.add(of_frame)
        self.boundary.update(labels, truth)
        if confidence is not None:
            self.calibration.update(confidence, labels, truth)
        self.frames += 1
        return of_frame.miou()

    def figures(self) -> dict[str, Any]:
        """All figures for JSON: in percent, None for what nowhere occurs.

        The confusion matrix has a row for each true class, a column for each label, and a last
        column for pixels that were not labelled.
        """
        drivable = self.label_space.ids_of(self.label_space.drivable)
        return {
            'frames': self.frames,
            'miou': percent(self.confusion.miou()),
            'frequency_weighted_iou': percent(self.confusion.frequency_weighted_iou()),
            'pixel_accuracy': percent(self.confusion.pixel_accuracy()),
            'drivable_iou': percent(self.confusion.group_iou(drivable)),
            'boundary_f': percent(self.boundary.mean()),
            'ece': percent(self.calibration.ece()),
            'iou': self._by_class(self.confusion.iou()),
            'boundary_f_by_class': self._by_class(self.boundary.f_scores()),
            'confusion': self.confusion.counts.tolist(),
        }

    def _by_class(self, shares: npt.NDArray[np.float64]) -> dict[str, float | None]:
        return {
            name: percent(share)
            for name, share in zip(self.label_space.names, shares.tolist(), strict=True)
        }


def evaluate(
    predictor: Predictor,
    dataset: Dataset,
    progress: Callable[[EvaluatedFrame], None] | None = None,
) -> EvaluationResult:
    """Label every frame of a data set and compare with the truth.

    Args:
        predictor: What labels them, such as a `Segmenter`; its classes may be in another order.
        dataset: The frames and their truth.
        progress: Told of every frame.

    Raises:
        UserError: The predictor knows other classes than the data set, or a frame is not right.
    """
    table = id_table(predictor.label_space, dataset.label_space)
    result = EvaluationResult(dataset.label_space)
    for index, sample in enumerate(dataset):
        try:
            prediction: Prediction = predictor(sample.image)
        except UserError as error:
            raise UserError(f'{sample.name}: {error}') from error
        labels = table[prediction.labels]
        miou = result.update(labels, prediction.confidence, sample.labels)
        if progress is not None:
            progress(EvaluatedFrame(index, sample, labels, miou))
    return result
