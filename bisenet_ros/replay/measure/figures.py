# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Defines the figures of a replay by name, and finds them in a run or a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from bisenet_ros.metrics import Figure, figures, nan_to_none
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
"""Figures of `figures_from_counts`, besides the IoU of each class."""

CLASS_IOU = 'iou.'
"""Prefix of the IoU of a class, before its name."""

CHANGE = 'change.'
"""Prefix of the change of a figure between two runs, B minus A, before its name."""


_AS_DRIVEN = ('age_ms', 'dropped')
"""Figures that exist only if arrival is simulated or live."""


@dataclass(frozen=True)
class KnownFigure(Figure):
    """A figure that a criterion may use.

    Attributes:
        needs_truth: Whether it needs ground truth.
        needs_rate: Whether it exists only if arrival is simulated or live.
        is_change: Whether it is the change between two runs, B minus A.
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
"""All figures by name, except those of single classes and changes."""


def find_figure(name: str) -> KnownFigure | None:
    """Finds a figure by name, including `iou.CLASS` and `change.NAME`; None if it is unknown."""
    if name.startswith(CLASS_IOU):
        return replace(FIGURES['miou'], name=name)
    if name.startswith(CHANGE):
        changed = name.removeprefix(CHANGE)
        found = find_figure(changed) if is_from_counts(changed) else None
        return found and replace(found, name=name, per_frame=False, is_change=True)
    return FIGURES.get(name)


def is_from_counts(name: str) -> bool:
    """Returns whether `figures_from_counts` computes it."""
    return name in FROM_COUNTS or name.startswith(CLASS_IOU)


class AccuracyCounts(NamedTuple):
    """The counts behind accuracy, of one frame or, with a leading axis, of several.

    Attributes:
        confusion: (..., C, C + 1) int64 pixels by true class and label; last column: no label.
        drivable: (..., 2) int64 pixels that are drivable in mask and truth, and in mask or truth.
    """

    confusion: Counts
    drivable: Counts

    @classmethod
    def of(cls, confusion: Any, drivable: Any) -> AccuracyCounts:
        """Creates counts from nested lists, as in JSON."""
        return cls(np.array(confusion, np.int64), np.array(drivable, np.int64))

    @classmethod
    def stack(cls, frames: Sequence[AccuracyCounts]) -> AccuracyCounts:
        """Stacks one or more frames along a new leading axis."""
        confusion, drivable = zip(*frames, strict=True)
        return cls(np.stack(confusion), np.stack(drivable))

    def sum(self) -> AccuracyCounts:
        """Returns the sum over the leading axis."""
        return AccuracyCounts(self.confusion.sum(axis=0), self.drivable.sum(axis=0))

    def overlaps(self) -> Overlaps:
        """Returns overlaps, (..., C + 1): each class, then the drivable area."""
        of_drivable = np.moveaxis(self.drivable, -1, 0)[..., np.newaxis]  # (2, ..., 1)
        both = zip(overlaps(self.confusion), of_drivable, strict=True)
        return Overlaps(*(np.concatenate(parts, axis=-1) for parts in both))


def figures_from_counts(counts: AccuracyCounts, classes: Sequence[str]) -> dict[str, float | None]:
    """Computes the figures from summed counts.

    Args:
        counts: The sum over the frames.
        classes: Names of the C classes.

    Returns:
        Figures by name; None where undefined.
    """
    values = iou(counts.overlaps())  # (C + 1,)
    return {
        'miou': nan_to_none(float(mean_iou(values[:-1]))),
        'drivable_iou': nan_to_none(float(values[-1])),
        'pixel_accuracy': nan_to_none(float(pixel_accuracy(counts.confusion))),
        **{
            f'{CLASS_IOU}{name}': nan_to_none(value)
            for name, value in zip(classes, values[:-1].tolist(), strict=True)
        },
    }


def names_of_run(classes: Sequence[str]) -> list[str]:
    """Returns the figures of a run that can have a lower limit: those where higher is better."""
    names = [figure.name for figure in FIGURES.values() if figure.better == 'higher']
    return [*names, *_class_names(classes)]


def names_of_comparison(classes: Sequence[str]) -> list[str]:
    """Returns the figures of a comparison for criteria: those of B, and the changes."""
    names = [*FROM_COUNTS, *_class_names(classes)]
    return [*names, *(f'{CHANGE}{name}' for name in names)]


def figures_of_run(metrics: Mapping[str, Any]) -> dict[str, float | None]:
    """Returns the figures of a whole run by name.

    Args:
        metrics: The content of metrics.json, of one bag or of many.
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
    """Returns the figures of B, and the changes, by name.

    Args:
        comparison: The content of comparison.json.
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
