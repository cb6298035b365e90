# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Gates: how they are written, what is refused, and when they are passed."""

from __future__ import annotations

import pytest

from bisenet_ros.replay.measure.gates import (
    Gate,
    GateError,
    figures_of_comparison,
    figures_of_run,
    judge,
    names_of_comparison,
    names_of_run,
    parse_gates,
)

CLASSES = ['road', 'car']


def test_as_written() -> None:
    names = names_of_run(CLASSES)
    assert parse_gates(' miou=0.60, iou.road = .9,fps=15', names) == [
        Gate('miou', 0.6), Gate('iou.road', 0.9), Gate('fps', 15),
    ]  # fmt: skip
    change = parse_gates('change.miou=-0.01', names_of_comparison(CLASSES))
    assert change == [Gate('change.miou', -0.01)]


@pytest.mark.parametrize(
    ('text', 'problem'),
    [
        ('', "'' is no gate: write NAME=LEAST"),
        ('miou', "'miou' is no gate: write NAME=LEAST"),
        ('miou=0.6,', "'' is no gate"),
        ('iou=0.6', "no figure 'iou' to gate on; there are miou, .*, iou.road, iou.car, "),
        ('change.miou=0', "no figure 'change.miou' to gate on"),
        ('miou=high', "miou=high: 'high' is no number"),
        ('miou=', "miou=: '' is no number"),
        ('miou=nan', "'nan' is no number"),
        ('fps=inf', "'inf' is no number"),
        ('miou=60', 'miou=60: it is a share: write a number from 0 to 1'),
        ('miou=-0.1', 'write a number from 0 to 1'),
        ('miou=0.5,miou=0.6', 'miou has two gates'),
    ],
)
def test_what_is_no_gate(text: str, problem: str) -> None:
    with pytest.raises(GateError, match=problem):
        parse_gates(text, names_of_run(CLASSES))


def test_the_limit_itself_is_enough() -> None:
    gates = [Gate('miou', 0.6), Gate('drivable_iou', 0.6), Gate('iou.car', 0)]
    outcomes = judge(gates, {'miou': 0.6, 'drivable_iou': 0.5999, 'iou.car': None})
    assert [outcome.passed for outcome in outcomes] == [True, False, False]
    # What was not measured at all does not pass, either.
    assert not judge([Gate('miou', 0)], {})[0].passed


def test_every_name_has_its_figure() -> None:
    accuracy = {'miou': 0.5, 'drivable_iou': 0.75, 'pixel_accuracy': 0.8}
    iou = {'road': 0.75, 'car': None}
    metrics = {'accuracy': {**accuracy, 'iou': iou}, 'confidence': {'mean': 0.9}, 'fps': 12.0}
    figures = figures_of_run(metrics)
    assert set(figures) == set(names_of_run(CLASSES))
    assert figures['iou.road'] == 0.75
    assert figures['iou.car'] is None
    assert set(figures_of_run({**metrics, 'accuracy': None})) == {'confidence', 'fps'}

    rows = {name: {'a': value, 'b': 0.5, 'change': 0.5 - value} for name, value in accuracy.items()}
    by_class = {name: {'a': 0.5, 'b': None, 'change': None} for name in CLASSES}
    figures = figures_of_comparison({'accuracy': {**rows, 'iou': by_class}})
    assert set(figures) == set(names_of_comparison(CLASSES))
    assert figures['drivable_iou'] == 0.5
    assert figures['change.drivable_iou'] == -0.25
    assert figures_of_comparison({'accuracy': None}) == {}
