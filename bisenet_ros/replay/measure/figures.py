# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The figures of a replay by name: what they measure, and where a run or a comparison has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from bisenet_ros.replay.measure.bootstrap import Counts, group_overlaps, iou, mean_iou, overlaps
from bisenet_ros.replay.measure.evaluation import number

FROM_CONFUSION = ('miou', 'drivable_iou', 'pixel_accuracy')
"""What `figures_from_confusion` computes, beside the IoU of each class."""

CLASS_IOU = 'iou.'
"""The IoU of one class, whose name follows."""

CHANGE = 'change.'
"""By how much the second of two runs is higher in the figure whose name follows."""


@dataclass(frozen=True)
class Figure:
    """What is known of a figure.

    Attributes:
        name: As in frames.jsonl or metrics.json, and in criteria.
        unit: Of its values; a share is from 0 to 1.
        scope: What has one: each frame and the run, only a whole run, or two runs together.
        better: Which values are the better ones; None where neither are.
        needs_truth: Whether it compares with the truth.
        needs_rate: Whether frames have it only where they arrive in time.
    """

    name: str
    unit: Literal['share', 'ms', 'px', 'frames', 'frames/s']
    scope: Literal['frame', 'run', 'comparison'] = 'frame'
    better: Literal['higher', 'lower'] | None = None
    needs_truth: bool = False
    needs_rate: bool = False


FIGURES = {
    figure.name: figure
    for figure in (
        Figure('miou', 'share', better='higher', needs_truth=True),
        Figure('drivable_iou', 'share', better='higher', needs_truth=True),
        Figure('pixel_accuracy', 'share', better='higher', needs_truth=True),
        Figure('boundary_f', 'share', better='higher', needs_truth=True),
        Figure('false_drivable_rate', 'share', better='lower', needs_truth=True),
        Figure('free_space_error_px', 'px', better='lower', needs_truth=True),
        Figure('drivable_fraction', 'share'),
        Figure('confidence', 'share', better='higher'),
        Figure('flicker', 'share', better='lower'),
        Figure('decode_ms', 'ms', better='lower'),
        Figure('inference_ms', 'ms', better='lower'),
        Figure('total_ms', 'ms', better='lower'),
        Figure('age_ms', 'ms', better='lower', needs_rate=True),
        Figure('dropped', 'frames', better='lower', needs_rate=True),
        Figure('ece', 'share', 'run', better='lower', needs_truth=True),
        Figure('false_drivable_near_rate', 'share', 'run', better='lower', needs_truth=True),
        Figure('free_space_error_p95_px', 'px', 'run', better='lower', needs_truth=True),
        Figure('free_space_overreach_px', 'px', 'run', better='lower', needs_truth=True),
        Figure('fps', 'frames/s', 'run', better='higher'),
    )
}
"""All of them by name, but for those of single classes and changes."""


def find_figure(name: str) -> Figure | None:
    """A figure by its name, `iou.CLASS` and `change.NAME` included; None if there is none."""
    if name.startswith(CLASS_IOU):
        return replace(FIGURES['miou'], name=name)
    if name.startswith(CHANGE):
        changed = name.removeprefix(CHANGE)
        found = find_figure(changed) if is_from_confusion(changed) else None
        return found and replace(found, name=name, scope='comparison')
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
    parts = overlaps(confusion)
    by_class = iou(parts)  # (C,)
    pixels = int(confusion.sum())
    return {
        'miou': number(float(mean_iou(by_class))),
        'drivable_iou': number(float(iou(group_overlaps(confusion, drivable_ids))[0])),
        'pixel_accuracy': int(parts.hits.sum()) / pixels if pixels else None,
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
    figures: dict[str, float | None] = {}
    for name, figure in FIGURES.items():
        holder = measured if figure.needs_truth else metrics
        if name in holder:
            value = holder[name]
            figures[name] = value['mean'] if isinstance(value, Mapping) else value
    by_class = measured.get('iou', {})
    return figures | {f'{CLASS_IOU}{name}': value for name, value in by_class.items()}


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
