# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Evaluates a predictor on the frames of a data set."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bisenet_ros.drivable import drivable_mask, without_low_confidence, without_small_areas
from bisenet_ros.errors import UserError
from bisenet_ros.metrics import Frame, truth_at
from bisenet_ros.metrics.accuracy import Accuracy
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


def evaluate(
    predictor: Predictor,
    dataset: Dataset,
    progress: Callable[[EvaluatedFrame], None] | None = None,
    *,
    drivable_classes: Sequence[str] | None = None,
    min_drivable_confidence: int = 0,
    min_drivable_area: float = 0.0,
) -> Accuracy:
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
    result = Accuracy(space)
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
        of_frame = Accuracy(space)
        of_frame.update(Frame(space, sample.image, labels, drivable, confidence, sample.labels))
        result.add(of_frame)
        if progress is not None:
            miou = of_frame.of_frame()['miou']
            progress(EvaluatedFrame(index, sample, labels, math.nan if miou is None else miou))
    return result
