# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Metrics: one per module, registered by a line in `METRICS`.

    metrics = MetricSet(metrics_with(truth=True), label_space)
    metrics.update(Frame(label_space, image, labels, drivable, confidence, truth))
    metrics.figures()['miou']

`figures` has the names, titles and units of all figures.
"""

from __future__ import annotations

from bisenet_ros.metrics.boundary import BoundaryScore
from bisenet_ros.metrics.calibration import Calibration
from bisenet_ros.metrics.confusion import ConfusionMatrix, LabelAccuracy
from bisenet_ros.metrics.drivable_overlap import DrivableOverlap
from bisenet_ros.metrics.false_drivable import FalseDrivable
from bisenet_ros.metrics.flicker import Flicker
from bisenet_ros.metrics.free_space import FreeSpaceError
from bisenet_ros.metrics.free_space_range import FreeSpaceRangeError
from bisenet_ros.metrics.metric import (
    Figure,
    Frame,
    Metric,
    MetricSet,
    Unit,
    nan_to_none,
    truth_at,
    truth_outside,
)

__all__ = [
    'METRICS',
    'BoundaryScore',
    'Calibration',
    'ConfusionMatrix',
    'DrivableOverlap',
    'FalseDrivable',
    'Figure',
    'Flicker',
    'Frame',
    'FreeSpaceError',
    'FreeSpaceRangeError',
    'LabelAccuracy',
    'Metric',
    'MetricSet',
    'Unit',
    'figures',
    'metrics_with',
    'nan_to_none',
    'truth_at',
    'truth_outside',
]

METRICS: dict[str, type[Metric]] = {
    'confusion': LabelAccuracy,
    'drivable_overlap': DrivableOverlap,
    'boundary': BoundaryScore,
    'false_drivable': FalseDrivable,
    'free_space': FreeSpaceError,
    'free_space_range': FreeSpaceRangeError,
    'calibration': Calibration,
    'flicker': Flicker,
}
"""All metrics, in the order in which their figures are shown."""


def metrics_with(*, truth: bool) -> dict[str, type[Metric]]:
    """Returns the metrics that need ground truth, or those that do not."""
    return {name: metric for name, metric in METRICS.items() if metric.needs_truth == truth}


def figures(*, truth: bool) -> dict[str, Figure]:
    """Returns figures by name, of the metrics that need ground truth or of those that do not."""
    return {
        figure.name: figure
        for metric in metrics_with(truth=truth).values()
        for figure in metric.figures
    }
