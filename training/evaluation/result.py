# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How good labels are on a data set: every frame counted, and the figures of all."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bisenet_ros.drivable import drivable_mask
from bisenet_ros.errors import UserError
from bisenet_ros.label_space import LabelSpace
from bisenet_ros.metrics import Frame, MetricSet, metrics_with, truth_at
from bisenet_ros.resizing import resize
from bisenet_training.datasets import Dataset, Sample
from bisenet_training.evaluation.predictor import Pixels, Prediction, Predictor, id_table


@dataclass(frozen=True)
class EvaluatedFrame:
    """One frame of a data set, and what was found in it.

    Attributes:
        index: Which of the data set.
        sample: The frame and its truth, at the size of the labels.
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
    """

    def __init__(self, label_space: LabelSpace) -> None:
        self.label_space = label_space
        self.frames = 0
        self._metrics = MetricSet(metrics_with(truth=True), label_space)

    def update(self, frame: Frame) -> float:
        """Count one frame that has a truth, and say its own mIoU.

        Raises:
            UserError: The sizes differ, or an id is not a class.
        """
        of_frame = MetricSet(metrics_with(truth=True), self.label_space)
        of_frame.update(frame)
        self._metrics.add(of_frame)
        self.frames += 1
        miou = of_frame.figures(of_frame=True)['miou']
        return math.nan if miou is None else miou

    def figures(self) -> dict[str, Any]:
        """All figures for JSON: fractions from 0 to 1, None for what nowhere occurs.

        The confusion matrix has a row for each true class, a column for each label, and a last
        column for pixels that were not labelled.
        """
        return {'frames': self.frames, **self._metrics.figures(), **self._metrics.details()}


def evaluate(
    predictor: Predictor,
    dataset: Dataset,
    progress: Callable[[EvaluatedFrame], None] | None = None,
    *,
    drivable_classes: Sequence[str] | None = None,
    min_drivable_area: float = 0.0,
) -> EvaluationResult:
    """Label every frame of a data set and compare with the truth.

    Where labels have another size than the frame, image and truth are brought to that size.

    Args:
        predictor: What labels them, such as a `Segmenter`; its classes may be in another order.
        dataset: The frames and their truth.
        progress: Told of every frame.
        drivable_classes: Names of those that may be driven on; None for the data set's own.
        min_drivable_area: Drivable areas under this share of the frame are dropped, as the node
            drops them.

    Raises:
        UserError: The predictor knows other classes than the data set, or a frame is not right.
    """
    table = id_table(predictor.label_space, dataset.label_space)
    space = dataset.label_space
    if drivable_classes is not None:
        space = replace(space, drivable=tuple(drivable_classes))
    drivable_ids = space.ids_of(space.drivable)
    result = EvaluationResult(space)
    for index, sample in enumerate(dataset):
        try:
            prediction: Prediction = predictor(sample.image)
        except UserError as error:
            raise UserError(f'{sample.name}: {error}') from error
        labels = table[prediction.labels]
        height, width = labels.shape
        sample = replace(
            sample,
            image=resize(sample.image, (width, height)),
            labels=truth_at(sample.labels, sample.image.shape, labels.shape),
        )
        drivable = drivable_mask(labels, drivable_ids, min_drivable_area)
        confidence = prediction.confidence
        miou = result.update(
            Frame(space, sample.image, labels, drivable, confidence, sample.labels)
        )
        if progress is not None:
            progress(EvaluatedFrame(index, sample, labels, miou))
    return result
