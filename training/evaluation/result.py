# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Accuracy on a data set: counts over all frames, and the resulting figures."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bisenet_ros.drivable import drivable_mask, without_low_confidence, without_small_areas
from bisenet_ros.errors import UserError
from bisenet_ros.label_space import LabelSpace
from bisenet_ros.metrics import Frame, MetricSet, metrics_with, truth_at
from bisenet_ros.resizing import resize
from bisenet_training.datasets import Dataset, Sample
from bisenet_training.evaluation.predictor import Pixels, Prediction, Predictor, id_table


@dataclass(frozen=True)
class EvaluatedFrame:
    """One frame of a data set, and its prediction.

    Attributes:
        index: Index in the data set.
        sample: The frame and its ground truth, at the size of the labels.
        labels: (H, W) uint8, ids in the data set's label space.
        miou: mIoU of this frame, 0 to 1; NaN without ground truth.
    """

    index: int
    sample: Sample
    labels: Pixels
    miou: float


class EvaluationResult:
    """Counts over the frames of a data set. Frames are not kept.

    Attributes:
        label_space: Label space of the data set.
        frames: Number of frames counted.
    """

    def __init__(self, label_space: LabelSpace) -> None:
        self.label_space = label_space
        self.frames = 0
        self._metrics = MetricSet(metrics_with(truth=True), label_space)

    def update(self, frame: Frame) -> float:
        """Counts a frame with ground truth and returns its mIoU.

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
        """Returns all figures for JSON: fractions from 0 to 1, None for classes that do not occur.

        The confusion matrix has a row for each true class, a column for each label, and a last
        column for unlabelled pixels.
        """
        return {'frames': self.frames, **self._metrics.figures(), **self._metrics.details()}


def evaluate(
    predictor: Predictor,
    dataset: Dataset,
    progress: Callable[[EvaluatedFrame], None] | None = None,
    *,
    drivable_classes: Sequence[str] | None = None,
    min_drivable_confidence: int = 0,
    min_drivable_area: float = 0.0,
) -> EvaluationResult:
    """Segments every frame of a data set and compares it with ground truth.

    If labels and frame differ in size, image and ground truth are resized to that of the labels.

    Args:
        predictor: For example a `Segmenter`; its classes may be in a different order.
        dataset: The frames and their ground truth.
        progress: Called after every frame.
        drivable_classes: Names of the drivable classes; None for those of the data set.
        min_drivable_confidence: Pixels of a lower confidence, 0 to 255, are not drivable, as in
            the node.
        min_drivable_area: Drivable areas below this fraction of the frame are removed, as in the
            node.

    Raises:
        UserError: The predictor and the data set have different classes, or a frame is invalid.
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
        confidence = prediction.confidence
        drivable = drivable_mask(labels, drivable_ids)
        if confidence is not None:
            drivable = without_low_confidence(drivable, confidence, min_drivable_confidence)
        drivable = without_small_areas(drivable, min_drivable_area)
        miou = result.update(
            Frame(space, sample.image, labels, drivable, confidence, sample.labels)
        )
        if progress is not None:
            progress(EvaluatedFrame(index, sample, labels, miou))
    return result
