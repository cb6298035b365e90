# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A criterion held against a replay: passed or failed, and the frames that decided it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bisenet_ros.metrics import number
from bisenet_ros.metrics.confusion import (
    group_overlaps,
    iou,
    mean_iou,
    overlaps,
    pixel_accuracy,
)
from bisenet_ros.replay.finished import EvaluatedFrame, FinishedRun
from bisenet_ros.replay.scenario import ACCURACY, CLASS_IOU, OF_RUN, Criterion

DECIDING = 5
"""Frames that are named for a criterion."""


@dataclass(frozen=True)
class DecidingFrame:
    """A frame that counted for a criterion, and what its figure was."""

    frame: EvaluatedFrame
    value: float


@dataclass(frozen=True)
class Judgement:
    """What became of a criterion.

    Attributes:
        criterion: What was to be.
        value: What was; None where nothing was measured.
        passed: Whether that is enough.
        frames: How many frames were measured; None for a figure of the whole bag.
        beyond: How many of them, each by itself, are not as wanted.
        deciding: The frames farthest to the side that decides, the farthest first.
    """

    criterion: Criterion
    value: float | None
    passed: bool
    frames: int | None
    beyond: int
    deciding: tuple[DecidingFrame, ...]

    def to_dict(self) -> dict[str, Any]:
        """A form that JSON can hold."""
        criterion = self.criterion.model_dump(exclude_none=True)
        return {
            **criterion,
            'name': self.criterion.title,
            'value': self.value,
            'passed': self.passed,
            'measured_frames': self.frames,
            'frames_beyond': self.beyond,
            'deciding_frames': [
                {**d.frame.id._asdict(), 'time_s': d.frame.time_s, 'value': d.value}
                for d in self.deciding
            ],
        }


def judge(criterion: Criterion, run: FinishedRun) -> Judgement:
    """Hold a criterion against a replay; what was not measured fails."""
    if criterion.figure in OF_RUN:
        value = _figure_of_run(criterion.figure, run)
        return Judgement(criterion, value, _is_within(criterion, value), None, 0, ())
    measured = [
        DecidingFrame(frame, value)
        for frame in run.frames
        if _counts(criterion, frame) and (value := _value(criterion, frame, run)) is not None
    ]
    value = _together(criterion, measured, run) if measured else None
    # What is too low is decided by the lowest frames, what is too high by the highest.
    too_high = criterion.at_least is None or (
        criterion.at_most is not None and value is not None and value > criterion.at_most
    )
    ranked = sorted(measured, key=lambda one: -one.value if too_high else one.value)
    return Judgement(
        criterion,
        value,
        _is_within(criterion, value),
        len(measured),
        sum(not _is_within(criterion, one.value) for one in measured),
        tuple(ranked[:DECIDING]),
    )


def _figure_of_run(figure: str, run: FinishedRun) -> float | None:
    metrics = run.metrics
    found = metrics['fps'] if figure == 'fps' else (metrics['accuracy'] or {}).get(figure)
    return None if found is None else float(found)


def _counts(criterion: Criterion, frame: EvaluatedFrame) -> bool:
    if criterion.camera not in (None, frame.id.camera):
        return False
    return criterion.between is None or (
        criterion.between[0] <= frame.time_s <= criterion.between[1]
    )


def _value(criterion: Criterion, frame: EvaluatedFrame, run: FinishedRun) -> float | None:
    """The figure of one frame; None where it has none."""
    if criterion.figure == 'dropped':
        return float(frame.dropped)
    if criterion.figure.startswith(CLASS_IOU):
        return _accuracy(criterion.figure, [frame], run)
    return frame.figures.get(criterion.figure)


def _together(
    criterion: Criterion, measured: Sequence[DecidingFrame], run: FinishedRun
) -> float | None:
    """The figure of at least one frame."""
    values = np.array([one.value for one in measured])
    statistic = criterion.statistic
    if statistic is None:
        if criterion.figure in ACCURACY or criterion.figure.startswith(CLASS_IOU):
            return _accuracy(criterion.figure, [one.frame for one in measured], run)
        return float(values.sum() if criterion.figure == 'dropped' else values.mean())
    if statistic == 'mean':
        return float(values.mean())
    percentiles = {'min': 0, 'max': 100}
    percentile = percentiles[statistic] if statistic in percentiles else int(statistic[1:])
    return float(np.percentile(values, percentile))


def _accuracy(figure: str, frames: Sequence[EvaluatedFrame], run: FinishedRun) -> float | None:
    """Of frames counted as one; None where that is not defined."""
    counts = [frame.confusion for frame in frames if frame.confusion is not None]
    if not counts:
        return None
    confusion = np.sum(counts, axis=0)  # (C, C + 1)
    by_class = iou(overlaps(confusion))
    if figure == 'miou':
        return number(float(mean_iou(by_class)))
    if figure == 'drivable_iou':
        return number(float(iou(group_overlaps(confusion, run.drivable_ids))[0]))
    if figure == 'pixel_accuracy':
        return number(float(pixel_accuracy(confusion)))
    return number(float(by_class[run.classes.index(figure.removeprefix(CLASS_IOU))]))


def _is_within(criterion: Criterion, value: float | None) -> bool:
    if value is None:
        return False
    return (criterion.at_least is None or value >= criterion.at_least) and (
        criterion.at_most is None or value <= criterion.at_most
    )
