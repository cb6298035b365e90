# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Figures by name, and where runs and comparisons have them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from bisenet_ros.replay.measure.figures import (
    FIGURES,
    AccuracyCounts,
    figures_from_counts,
    figures_of_comparison,
    figures_of_run,
    find_figure,
    names_of_comparison,
    names_of_run,
)

CLASSES = ['road', 'car']

ACCURACY = {'miou': 0.5, 'drivable_iou': 0.75, 'pixel_accuracy': 0.8}


def test_figures_of_a_run() -> None:
    accuracy = {
        **ACCURACY,
        'frequency_weighted_iou': 0.7,
        'boundary_f': 0.4,
        'iou': {'road': 0.75, 'car': None},
    }
    metrics = {'accuracy': accuracy, 'confidence': {'mean': 0.9, 'p50': 1.0}, 'fps': 12.0}
    figures = figures_of_run(metrics)
    assert set(figures) == set(names_of_run(CLASSES))
    assert figures['confidence'] == 0.9
    assert figures['iou.road'] == 0.75
    assert figures['iou.car'] is None
    without = {'accuracy': None, 'confidence': None, 'fps': None}
    assert figures_of_run(without) == {'confidence': None, 'fps': None}


def test_figures_from_counts_are_those_of_their_pixels() -> None:
    rng = np.random.default_rng(0)
    frames = [
        AccuracyCounts.of(rng.integers(1, 99, (2, 3)), (rng.integers(1, 99), rng.integers(99, 200)))
        for _ in range(5)
    ]
    confusion, drivable = (sum(parts) for parts in zip(*frames, strict=True))
    hits = confusion.diagonal()
    ious = hits / (confusion.sum(1) + confusion.sum(0)[:2] - hits)
    counts = AccuracyCounts.stack(frames)
    assert figures_from_counts(counts.sum(), CLASSES) == pytest.approx(
        {
            'miou': ious.mean(),
            'drivable_iou': drivable[0] / drivable[1],
            'pixel_accuracy': hits.sum() / confusion.sum(),
            'iou.road': ious[0],
            'iou.car': ious[1],
        }
    )
    # Overlaps of frames add up to those of the sum.
    np.testing.assert_equal(counts.overlaps().sum(), counts.sum().overlaps())
    nothing = AccuracyCounts.of(np.zeros((2, 3)), (0, 0))
    assert set(figures_from_counts(nothing, CLASSES).values()) == {None}


def test_figures_of_a_comparison() -> None:
    rows = {name: {'a': value, 'b': 0.5, 'change': 0.5 - value} for name, value in ACCURACY.items()}
    by_class = {name: {'a': 0.5, 'b': None, 'change': None} for name in CLASSES}
    figures = figures_of_comparison({'accuracy': {**rows, 'iou': by_class}})
    assert set(figures) == set(names_of_comparison(CLASSES))
    assert figures['drivable_iou'] == 0.5
    assert figures['change.drivable_iou'] == -0.25
    assert figures_of_comparison({'accuracy': None}) == {}


def test_the_documentation_names_every_figure() -> None:
    text = (Path(__file__).parents[3] / 'docs' / 'replay.md').read_text(encoding='utf-8')
    (limits,) = (line for line in text.splitlines() if line.startswith('| `replay` | '))
    assert {*names_of_run([]), 'iou.CLASS'} == set(re.findall('`([^`]+)`', limits)) - {'replay'}
    criteria = text.partition('| figure | without `statistic` |')[2].partition('\n## ')[0]
    assert {name for name in FIGURES if f'`{name}`' not in criteria} == set()


def test_each_name_finds_its_figure_and_other_names_none() -> None:
    for name in (*FIGURES, *names_of_run(CLASSES), *names_of_comparison(CLASSES)):
        figure = find_figure(name)
        assert figure is not None
        assert figure.name == name
    for name in ('iou', 'change.fps', 'change.change.miou', 'change.'):
        assert find_figure(name) is None
