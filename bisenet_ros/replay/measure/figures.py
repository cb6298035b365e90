# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The figures of a replay by name: what they measure, and where a run or a comparison has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bisenet_ros.metrics import Figure, figures, number
from bisenet_ros.metrics.confusion import (
    Counts,
    group_overlaps,
    iou,
    mean_iou,
    overlaps,
    pixel_accuracy,
)
from bisenet_ros.replay.measure.evaluation import known_figures

FROM_CONFUSION = ('miou', 'drivable_iou', 'pixel_accuracy')
"""What `figures_from_confusion` computes, beside the IoU of each class."""

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
        found = find_figure(changed) if is_from_confusion(changed) else None
        return found and replace(found, name=name, per_frame=False, is_change=True)
    return FIGURES.get(name)


def is_from_confusion(name: str) -> bool:
    """Whether `figures_from_confusion` computes it."""
    return name in FROM_CONFUSION or name.startswith(CLASS_IOU)


def figures_from_confusion(
    confusion: Counts, classes: Sequence[str], drivable_ids: tuple[int, ...]
) -> dict[str, float | None]:
    """The figures of frames together that follow from their confusion.

    Args:
        confusion: (C, C + 1) pixels by true class and label, the sum over the frames.
        classes: Names of the C classes.
        drivable_ids: Which of them count as one in `drivable_iou`.

    Returns:
        By name; None where nothing was counted.
    """
    by_class = iou(overlaps(confusion))  # (C,)
    return {
        'miou': number(float(mean_iou(by_class))),
        'drivable_iou': number(float(iou(group_overlaps(confusion, drivable_ids))[0])),
        'pixel_accuracy': number(float(pixel_accuracy(confusion))),
        **{
            f'{CLASS_IOU}{name}': number(value)
            for name, value in zip(classes, by_class.tolist(), strict=True)
        },
    }


def names_of_run(classes: Sequence[str]) -> list[str]:
    """What a run can be held to by a lower limit: figures that are better the higher they are."""
    names = [figure.name for figure in FIGURES.values() if figure.better == 'higher']
    return [*names, *_class_names(classes)]


def names_of_comparison(classes: Sequence[str]) -> list[str]:
    """What a comparison can be held to: figures of B, and by how much they are higher than A's."""
    names = [*FROM_CONFUSION, *_class_names(classes)]
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
    rows = {name: measured[name] for name in FROM_CONFUSION}
    rows |= {f'{CLASS_IOU}{name}': row for name, row in measured['iou'].items()}
    return {
        **{name: row['b'] for name, row in rows.items()},
        **{f'{CHANGE}{name}': row['change'] for name, row in rows.items()},
    }


def _class_names(classes: Sequence[str]) -> list[str]:
    return [f'{CLASS_IOU}{name}' for name in classes]
