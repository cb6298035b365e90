# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Counts all metrics that need ground truth, for a replay or a data set."""

from __future__ import annotations

from typing import Any

from bisenet_ros.label_space import LabelSpace
from bisenet_ros.metrics import Frame, MetricSet, metrics_with


class Accuracy:
    """The metrics that need ground truth. Frames are counted, and not kept.

    Attributes:
        label_space: Label space of labels and ground truth.
        frames: Number of frames counted.
    """

    def __init__(self, label_space: LabelSpace) -> None:
        self.label_space = label_space
        self.frames = 0
        self._metrics = MetricSet(metrics_with(truth=True), label_space)

    def update(self, frame: Frame) -> None:
        """Counts a frame with ground truth.

        Raises:
            UserError: The ground truth has another size, or an id that is not a class.
        """
        self._metrics.update(frame)
        self.frames += 1

    def add(self, other: Accuracy) -> None:
        """Adds the counts of another one."""
        self._metrics.add(other._metrics)
        self.frames += other.frames

    def of_frame(self) -> dict[str, Any]:
        """Returns the figures that a single frame has, and the counts that add up over frames."""
        counts = self._metrics.details('confusion', 'drivable_overlap')
        kept = {name: counts[name] for name in ('confusion', 'drivable_overlap')}
        return {**self._metrics.figures(of_frame=True), **kept}

    def figures(self) -> dict[str, Any]:
        """Returns all figures for JSON: fractions from 0 to 1, None for classes that do not occur.

        The confusion matrix has a row for each true class, a column for each label, and a last
        column for unlabelled pixels.
        """
        return {'frames': self.frames, **self._metrics.figures(), **self._metrics.details()}
