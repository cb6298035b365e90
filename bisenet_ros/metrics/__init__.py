# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How good an output is, measured: a metric per module, and a line for each in `METRICS`.

    metrics = MetricSet(metrics_with(truth=True), label_space)
    metrics.update(Frame(label_space, image, labels, drivable, confidence, truth))
    metrics.figures()['miou']

Names, titles and units of all figures come from here: see `figures`.
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
    number,
    truth_at,
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
    'number',
    'truth_at',
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
"""All metrics; their figures stand in this order everywhere."""


def metrics_with(*, truth: bool) -> dict[str, type[Metric]]:
    """The metrics that need a truth, or those that need none."""
    return {name: metric for name, metric in METRICS.items() if metric.needs_truth == truth}


def figures(*, truth: bool) -> dict[str, Figure]:
    """By name, the figures of the metrics that need a truth, or of those that need none."""
    return {
        figure.name: figure
        for metric in metrics_with(truth=truth).values()
        for figure in metric.figures
    }
