# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Merges the figures of several bags, as if one process had counted all their frames."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from bisenet_ros.label_space import LabelSpace
from bisenet_ros.replay.many.jobs import Outcome
from bisenet_ros.replay.measure.evaluation import LOWEST, Evaluation, together
from bisenet_ros.replay.measure.run import ReplayResult
from bisenet_ros.version import versions


def merge(outcomes: Sequence[Outcome], label_space: LabelSpace) -> dict[str, Any]:
    """Returns the content of the metrics.json over all bags.

    Figures are computed from summed counts, added in the order of the bags, so that they do not
    depend on which process evaluated which bag, or when.

    Args:
        outcomes: One per bag.
        label_space: Label space of the model.
    """
    results = [outcome.result for outcome in outcomes if outcome.result is not None]
    problems = [line for outcome in outcomes for line in outcome.named_problems]
    topics = dict.fromkeys(topic for result in results for topic in result.evaluations)
    return {
        'complete': not problems,
        'problems': problems,
        'notes': [note for outcome in outcomes for note in outcome.named_notes],
        'bags': [_bag(outcome) for outcome in outcomes],
        'model': results[0].metrics['model'] if results else None,
        'parameters': results[0].metrics['parameters'] if results else None,
        'versions': versions(),
        'rate': results[0].metrics['rate'] if results else None,
        'max_rate': results[0].metrics['max_rate'] if results else None,
        'live': False,
        **_figures(results, list(topics), label_space),
        'cameras': [
            {'image_topic': topic, **_figures(results, [topic], label_space)} for topic in topics
        ],
    }


def _figures(
    results: Iterable[ReplayResult], topics: Sequence[str], label_space: LabelSpace
) -> dict[str, Any]:
    """Returns the figures of some cameras over all bags."""
    evaluations: list[Evaluation] = []
    cameras: list[dict[str, Any]] = []
    lowest: list[dict[str, Any]] = []
    for result in results:
        for camera in result.metrics['cameras']:
            if camera['image_topic'] in topics:
                evaluations.append(result.evaluations[camera['image_topic']])
                cameras.append(camera)
                confidence = camera['confidence'] or {'lowest_frames': []}
                bag = result.metrics['bag']['path']
                lowest += [{'bag': bag, **frame} for frame in confidence['lowest_frames']]
    figures = together(evaluations, label_space).figures()
    if figures['confidence'] is not None:
        # The name of a frame alone does not identify its bag.
        lowest.sort(key=lambda frame: (frame['confidence'], frame['camera'], frame['frame']))
        figures['confidence']['lowest_frames'] = lowest[:LOWEST]
    return {
        'read_frames': sum(camera['read_frames'] for camera in cameras),
        'dropped_frames': sum(camera['dropped_frames'] for camera in cameras),
        **figures,
    }


def _bag(outcome: Outcome) -> dict[str, Any]:
    """Returns a row of the table of bags: outcome and main figures."""
    result = outcome.result
    row: dict[str, Any] = {
        'path': str(outcome.job.bag),
        'results': None if result is None else outcome.job.output.name,
        'complete': not outcome.problems,
        'problems': outcome.problems,
    }
    if result is None:
        return row
    metrics, accuracy = result.metrics, result.metrics['accuracy']
    return row | {
        'files': metrics['bag']['files'],
        'read_frames': metrics['read_frames'],
        'evaluated_frames': metrics['evaluated_frames'],
        'miou': accuracy and accuracy['miou'],
        'drivable_iou': accuracy and accuracy['drivable_iou'],
    }
