# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Compares two replays of the same frames: what changed, where, and whether it may be chance."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Literal

import numpy as np

from bisenet_ros.metrics.confusion import Floats, mean_iou
from bisenet_ros.replay.measure.bootstrap import LEVEL, RESAMPLES, interval, resampled_iou
from bisenet_ros.replay.measure.evaluation import FrameId
from bisenet_ros.replay.measure.figures import (
    CLASS_IOU,
    FROM_COUNTS,
    AccuracyCounts,
    figures_from_counts,
)
from bisenet_ros.replay.measure.run_result import EvaluatedFrame, RunError, RunResult

LISTED = 10
"""How many frames each ranking lists."""

Order = Literal['labels', 'miou', 'drivable_fraction']
ORDERS: tuple[Order, ...] = ('labels', 'miou', 'drivable_fraction')
"""The criterion by which frames are ranked."""


@dataclass(frozen=True)
class FramePair:
    """One frame in both replays.

    Attributes:
        a: The frame in the first replay.
        b: The frame in the second replay.
        changed_labels: Fraction of pixels whose label differs; None if an output.mcap is missing.
    """

    a: EvaluatedFrame
    b: EvaluatedFrame
    changed_labels: float | None = None

    @property
    def other_truth(self) -> bool:
        """Whether the true labels are known to differ: another ground truth, or ego mask."""
        if self.a.counts is None or self.b.counts is None:
            return False
        of_a, of_b = (counts.confusion.sum(axis=1) for counts in (self.a.counts, self.b.counts))
        return not np.array_equal(of_a, of_b)

    def change(self, figure: str) -> float | None:
        """Returns the figure in B minus that in A; None if one of them is missing."""
        if figure not in self.a.figures or figure not in self.b.figures:
            return None
        return self.b.figures[figure] - self.a.figures[figure]


@dataclass(frozen=True)
class Comparison:
    """Two replays, and the frames that both have.

    Attributes:
        a: The baseline.
        b: The other replay.
        pairs: In the recording order of A.
    """

    a: RunResult
    b: RunResult
    pairs: tuple[FramePair, ...]

    def figures(self) -> dict[str, Any]:
        """Returns all changes, ready for JSON; a change is B minus A."""
        return {
            'a': _run(self.a),
            'b': _run(self.b),
            'frames': {
                'a': len(self.a.frames),
                'b': len(self.b.frames),
                'common': len(self.pairs),
                'with_truth': len(self._with_truth()),
                'other_truth': sum(pair.other_truth for pair in self.pairs),
            },
            'settings': _settings(self.a.metrics, self.b.metrics),
            'accuracy': self._accuracy(),
            'changed_labels': self._changed_labels(),
            'frame_means': self._frame_means(),
            'changed_most': {
                order: [self._frame(pair) for pair in pairs]
                for order, pairs in self.changed_most().items()
            },
        }

    def changed_most(self) -> dict[Order, list[FramePair]]:
        """Returns the frames with the largest changes, by ranking."""
        return {order: self.ranked(order)[:LISTED] for order in ORDERS}

    def ranked(self, order: Order) -> list[FramePair]:
        """Returns all frames that changed, largest change first."""
        sizes = [(abs(_change_in(pair, order) or 0.0), pair) for pair in self.pairs]
        changed = [sized for sized in sizes if sized[0] > 0]
        changed.sort(key=lambda sized: -sized[0])  # stable: earlier frames first
        return [pair for _, pair in changed]

    def _with_truth(self) -> list[FramePair]:
        return [p for p in self.pairs if p.a.counts is not None and p.b.counts is not None]

    def _accuracy(self) -> dict[str, Any] | None:
        """Returns the accuracy over frames with ground truth in both replays; None without any."""
        pairs = self._with_truth()
        if not pairs:
            return None
        of_a, of_b = (
            AccuracyCounts.stack([c for c in counts if c is not None])
            for counts in ([p.a.counts for p in pairs], [p.b.counts for p in pairs])
        )
        classes = self.a.classes
        a, b = (figures_from_counts(counts.sum(), classes) for counts in (of_a, of_b))
        # A bootstrap needs at least two frames.
        resampled = resampled_iou(of_a.overlaps(), of_b.overlaps()) if len(pairs) > 1 else None

        def row(name: str, of: Callable[[Floats], Any]) -> dict[str, Any]:
            """Returns a figure computed from (..., C + 1) IoU: classes, then the drivable area."""
            spread = None if resampled is None else interval(of(resampled[1]) - of(resampled[0]))
            return {
                **change(a[name], b[name]),
                'interval': None if spread is None else list(spread),
            }

        return {
            'interval_level': LEVEL,
            'resamples': RESAMPLES,
            'miou': row('miou', lambda values: mean_iou(values[..., :-1])),
            'drivable_iou': row('drivable_iou', itemgetter((..., -1))),
            'pixel_accuracy': change(a['pixel_accuracy'], b['pixel_accuracy']),
            'iou': {
                name: row(f'{CLASS_IOU}{name}', itemgetter((..., index)))
                for index, name in enumerate(classes)
            },
        }

    def _changed_labels(self) -> float | None:
        shares = [p.changed_labels for p in self.pairs if p.changed_labels is not None]
        return math.fsum(shares) / len(shares) if shares else None

    def _frame_means(self) -> dict[str, Any]:
        """Returns the mean over frames of each figure in both replays, except accuracy."""
        names = dict.fromkeys(name for pair in self.pairs for name in pair.a.figures)
        means = {}
        for name in names:
            both = [
                (pair.a.figures[name], pair.b.figures[name])
                for pair in self.pairs
                if pair.change(name) is not None
            ]
            if both and name not in FROM_COUNTS:
                mean_a, mean_b = np.mean(both, axis=0).tolist()
                means[name] = change(mean_a, mean_b)
        return means

    def _frame(self, pair: FramePair) -> dict[str, Any]:
        names = [name for name in pair.a.figures if pair.change(name) is not None]
        return {
            **pair.a.id._asdict(),
            'time_s': pair.a.time_s,
            'changed_labels': pair.changed_labels,
            **{name: change(pair.a.figures[name], pair.b.figures[name]) for name in names},
        }


def compare(a: RunResult, b: RunResult) -> Comparison:
    """Pairs the frames of two replays by camera, number and stamp.

    Raises:
        RunError: They have no common frame, or their models have different label spaces.
    """
    for what, key in (('classes', 'classes'), ('drivable classes', 'drivable_classes')):
        of_a, of_b = a.metrics['model'][key], b.metrics['model'][key]
        if of_a != of_b:
            raise RunError(
                f'{a.path} and {b.path} have models with different {what}: '
                f'{", ".join(of_a)}; {", ".join(of_b)}'
            )
    frames_of_b = {frame.id: frame for frame in b.frames}
    pairs = [FramePair(f, frames_of_b[f.id]) for f in a.frames if f.id in frames_of_b]
    if not pairs:
        raise RunError(
            f'{a.path} ({len(a.frames)} frames) and {b.path} ({len(b.frames)} frames) have no '
            'frame in common: camera, number and stamp must be equal'
        )
    if a.has_pictures and b.has_pictures:
        changed = _changed_labels(a, b, {pair.a.id for pair in pairs})
        pairs = [FramePair(pair.a, pair.b, changed.get(pair.a.id)) for pair in pairs]
    return Comparison(a, b, tuple(pairs))


def change(a: float | None, b: float | None) -> dict[str, float | None]:
    """Returns both values and their difference, b - a."""
    return {'a': a, 'b': b, 'change': None if a is None or b is None else b - a}


def _change_in(pair: FramePair, order: Order) -> float | None:
    return pair.changed_labels if order == 'labels' else pair.change(order)


def _changed_labels(a: RunResult, b: RunResult, common: set[FrameId]) -> dict[FrameId, float]:
    """Returns the fraction of pixels of each frame whose labels differ."""
    shares = {}
    for camera in dict.fromkeys(frame.camera for frame in common):
        of_a, of_b = (
            (found for found in run.pictures(camera, 'labels') if found[0] in common)
            for run in (a, b)
        )
        for (frame, labels_a), (other, labels_b) in zip(of_a, of_b, strict=True):
            if frame != other or labels_a.shape != labels_b.shape:
                raise RunError(
                    f'frame {frame.frame} of {camera} differs in position or size between {a.path} '
                    f'and {b.path}: the replays are of different bags or output_size'
                )
            shares[frame] = float(np.count_nonzero(labels_a != labels_b) / labels_a.size)
    return shares


def _run(run: RunResult) -> dict[str, Any]:
    return {
        'path': str(run.path),
        'complete': run.metrics['complete'],
        **{key: run.metrics[key] for key in ('bag', 'model', 'versions')},
    }


def _settings(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Returns the differences in bag, model settings and versions, with both values.

    Bags that have a file with messages in common, such as two copies, do not differ.
    """
    differences = {
        name: {'a': a[part].get(name), 'b': b[part].get(name)}
        for part in ('model', 'versions')
        for name in dict.fromkeys([*a[part], *b[part]])
        if a[part].get(name) != b[part].get(name)
    }
    if _contents(a['bag']).isdisjoint(_contents(b['bag'])):
        differences['bag'] = {'a': a['bag']['path'], 'b': b['bag']['path']}
    return differences


def _contents(bag: Mapping[str, Any]) -> set[str]:
    """Returns the digests of the files with messages."""
    return {file['sha256'] for file in bag['files'] if file['name'] != 'metadata.yaml'}
