# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The figures of a replay by name: what they measure, and where a run or a comparison has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from bisenet_ros.metrics import Figure, figures, number
from bisenet_ros.metrics.confusion import (
    Counts,
    Overlaps,
    iou,
    mean_iou,
    overlaps,
    pixel_accuracy,
)
from bisenet_ros.replay.measure.evaluation import known_figures

FROM_COUNTS = ('miou', 'drivable_iou', 'pixel_accuracy')
"""What `figures_from_counts` computes, beside the IoU of each class."""

CLASS_IOU = 'iou.'
"""The IoU of one class, whose name follows."""

CHANGE = 'change.'
"""By how much the second of two runs is higher in the figure whose name follows."""


_AS_DRIVEN = ('age_ms', 'dropped')
"""Figures that frames have only where they arrive in time."""


@dataclass(frozen=True)
class KnownFigure(Figure):
    """A figure that a run can be held to.

    Attributes:
        needs_truth: Whether it compares with the truth.
        needs_rate: Whether frames have it only where they arrive in time.
        is_change: Whether it is of two runs: by how much the second is higher.
    """

    needs_truth: bool = False
    needs_rate: bool = False
    is_change: bool = False


FIGURES = {
    name: KnownFigure(
        **vars(figure), needs_truth=name in figures(truth=True), needs_rate=name in _AS_DRIVEN
    )
    for name, figure in known_figures().items()
}
"""All of them by name, but for those of single classes and changes."""


def find_figure(name: str) -> KnownFigure | None:
    """A figure by its name, `iou.CLASS` and `change.NAME` included; None if there is none."""
    if name.startswith(CLASS_IOU):
        return replace(FIGURES['miou'], name=name)
    if name.startswith(CHANGE):
        changed = name.removeprefix(CHANGE)
        found = find_figure(changed) if is_from_counts(changed) else None
        return found and replace(found, name=name, per_frame=False, is_change=True)
    return FIGURES.get(name)


def is_from_counts(name: str) -> bool:
    """Whether `figures_from_counts` computes it."""
    return name in FROM_COUNTS or name.startswith(CLASS_IOU)


class AccuracyCounts(NamedTuple):
    """What accuracy is computed from, of one frame or, with a leading axis, of several.

    Attributes:
        confusion: (..., C, C + 1) int64 pixels by true class and label; the last column: no label.
        drivable: (..., 2) int64 pixels that are drivable by mask and truth, and by mask or truth.
    """

    confusion: Counts
    drivable: Counts

    @classmethod
    def of(cls, confusion: Any, drivable: Any) -> AccuracyCounts:
        """From lists, as JSON has them."""
        return cls(np.array(confusion, np.int64), np.array(drivable, np.int64))

    @classmethod
    def stack(cls, frames: Sequence[AccuracyCounts]) -> AccuracyCounts:
        """Those of at least one frame, with a leading axis."""
        confusion, drivable = zip(*frames, strict=True)
        return cls(np.stack(confusion), np.stack(drivable))

    def sum(self) -> AccuracyCounts:
        """Those of all frames together."""
        return AccuracyCounts(self.confusion.sum(axis=0), self.drivable.sum(axis=0))

    def overlaps(self) -> Overlaps:
        """(..., C + 1): each class, and last the drivable area."""
        of_drivable = np.moveaxis(self.drivable, -1, 0)[..., np.newaxis]  # (2, ..., 1)
        both = zip(overlaps(self.confusion), of_drivable, strict=True)
        return Overlaps(*(np.concatenate(parts, axis=-1) for parts in both))


def figures_from_counts(counts: AccuracyCounts, classes: Sequence[str]) -> dict[str, float | None]:
    """The figures of frames together that follow from their counts.

    Args:
        counts: The sum over the frames.
        classes: Names of the C classes.

    Returns:
        By name; None where nothing was counted.
    """
    values = iou(counts.overlaps())  # (C + 1,)
    return {
        'miou': number(float(mean_iou(values[:-1]))),
        'drivable_iou': number(float(values[-1])),
        'pixel_accuracy': number(float(pixel_accuracy(counts.confusion))),
        **{
            f'{CLASS_IOU}{name}': number(value)
            for name, value in zip(classes, values[:-1].tolist(), strict=True)
        },
    }


def names_of_run(classes: Sequence[str]) -> list[str]:
    """What a run can be held to by a lower limit: figures that are better the higher they are."""
    names = [figure.name for figure in FIGURES.values() if figure.better == 'higher']
    return [*names, *_class_names(classes)]


def names_of_comparison(classes: Sequence[str]) -> list[str]:
    """What a comparison can be held to: figures of B, and by how much they are higher than A's."""
    names = [*FROM_COUNTS, *_class_names(classes)]
    return [*names, *(f'{CHANGE}{name}' for name in names)]


def figures_of_run(metrics: Mapping[str, Any]) -> dict[str, float | None]:
    """Those of a whole run by name.

    Args:
        metrics: What metrics.json holds, of one bag or of many.
    """
    measured = metrics['accuracy'] or {}
    found: dict[str, float | None] = {}
    for name, figure in FIGURES.items():
        holder = measured if figure.needs_truth else metrics
        if name in holder:
            value = holder[name]
            found[name] = value['mean'] if isinstance(value, Mapping) else value
    by_class = measured.get('iou', {})
    return found | {f'{CLASS_IOU}{name}': value for name, value in by_class.items()}


def figures_of_comparison(comparison: Mapping[str, Any]) -> dict[str, float | None]:
    """Those of B, and the changes, by name.

    Args:
        comparison: What comparison.json holds.
    """
    measured = comparison['accuracy']
    if measured is None:
        return {}
    rows = {name: measured[name] for name in FROM_COUNTS}
    rows |= {f'{CLASS_IOU}{name}': row for name, row in measured['iou'].items()}
    return {
        **{name: row['b'] for name, row in rows.items()},
        **{f'{CHANGE}{name}': row['change'] for name, row in rows.items()},
    }


def _class_names(classes: Sequence[str]) -> list[str]:
    return [f'{CLASS_IOU}{name}' for name in classes]
