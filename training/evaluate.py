# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How good weights are on a data set: the labels that the vehicle would get, against the truth."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from bisenet_ros.errors import UserError
from bisenet_ros.label_space import CAMVID, LabelSpace
from bisenet_ros.metrics import ConfusionMatrix
from bisenet_ros.segmenter import Segmenter
from bisenet_training.datasets import Sample


def evaluate(segmenter: Segmenter, samples: Iterable[Sample]) -> ConfusionMatrix:
    """Segment every frame and count its pixels.

    Raises:
        UserError: The weights are for other classes than the samples.
    """
    if segmenter.label_space.names != CAMVID.names:
        raise UserError(
            f'these weights know the classes {", ".join(segmenter.label_space.names)}, '
            f'but the data set has {", ".join(CAMVID.names)}'
        )
    matrix = ConfusionMatrix(len(CAMVID))
    for sample in samples:
        matrix.update(segmenter(sample.image).labels, sample.labels)
    return matrix


def accuracy(matrix: ConfusionMatrix, label_space: LabelSpace) -> dict[str, Any]:
    """The figures of a confusion matrix in percent; None for a class that nowhere occurs."""
    return {
        'miou': _percent(matrix.miou()),
        'drivable_iou': _percent(matrix.group_iou(label_space.ids_of(label_space.drivable))),
        'pixel_accuracy': _percent(matrix.pixel_accuracy()),
        'iou': {
            name: _percent(float(iou))
            for name, iou in zip(label_space.names, matrix.iou(), strict=True)
        },
    }


def _percent(share: float) -> float | None:
    return None if np.isnan(share) else round(100 * share, 2)
