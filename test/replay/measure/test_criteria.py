# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Criteria, how they are written in short, and what they say of replays written by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bisenet_ros.errors import UserError
from bisenet_ros.metrics import ConfusionMatrix
from bisenet_ros.metrics.confusion import group_overlaps
from bisenet_ros.replay.measure.criteria import Criterion, judge, judge_figure, parse_criteria
from bisenet_ros.replay.measure.figures import names_of_comparison, names_of_run
from bisenet_ros.replay.measure.run_result import RunResult

CLASSES = ['road', 'car', 'sky']


def matrix(seed: int) -> ConfusionMatrix:
    labels, truth = np.random.default_rng(seed).integers(0, 2, (2, 8, 8), dtype=np.uint8)
    counted = ConfusionMatrix(len(CLASSES))
    counted.update(labels, truth)
    return counted


def write_run(folder: Path, lines: Sequence[dict[str, Any]]) -> RunResult:
    metrics = {
        'bag': {'path': '', 'files': []},
        'cameras': [{'name': name, 'image_topic': name} for name in ('/a', '/b')],
        'complete': True,
        'versions': {},
        'model': {
            'classes': CLASSES,
            'drivable_classes': ['road'],
            **dict.fromkeys(('weights', 'device', 'precision'), ''),
        },
        'accuracy': {'ece': 0.05, 'free_space_overreach_px': None},
        'fps': 20.0,
    }
    (folder / 'metrics.json').write_text(json.dumps(metrics))
    (folder / 'frames.jsonl').write_text(''.join(json.dumps(line) + '\n' for line in lines))
    return RunResult.load(folder)


@pytest.fixture
def run(tmp_path: Path) -> RunResult:
    """Ten frames of two cameras in turn, 0.5 s apart; every other one of /a has a truth."""
    lines: list[dict[str, Any]] = []
    for index in range(10):
        line = {
            'camera': ('/a', '/b')[index % 2],
            'frame': index // 2,
            'stamp': index,
            'time_s': index / 2,
            'confidence': 0.5 + index / 100,
            'flicker': None,
        }
        if index % 4 == 0:
            counted = matrix(index)
            overlap = group_overlaps(counted.counts, (0,))
            line |= {
                'miou': counted.miou(),
                'drivable_iou': counted.group_iou((0,)),
                'pixel_accuracy': counted.pixel_accuracy(),
                'confusion': counted.counts.tolist(),
                'drivable_overlap': np.concatenate(overlap).tolist(),
            }
        lines.append(line)
    return write_run(tmp_path, lines)


def test_mean_of_a_window_with_its_ends(run: RunResult) -> None:
    criterion = Criterion(figure='confidence', between=(1.0, 2.0), at_least=0.53)
    found = judge(criterion, run)
    assert found.value == pytest.approx(0.53)
    assert found.frames == 3
    assert found.beyond == 1
    # The lowest decide what is to be high.
    assert [one.frame.time_s for one in found.deciding] == [1.0, 1.5, 2.0]


@pytest.mark.parametrize(
    ('limits', 'passed', 'beyond', 'first'),
    [
        ({'at_least': 0.54}, True, 4, 0),
        ({'at_least': 0.55}, False, 5, 0),
        ({'at_most': 0.55}, True, 4, 9),
        ({'at_most': 0.54}, False, 5, 9),
        ({'at_least': 0.1, 'at_most': 0.54}, False, 5, 9),
        ({'at_least': 0.55, 'at_most': 0.9}, False, 5, 0),
        ({'at_least': 0.2, 'at_most': 0.9}, True, 0, 0),
    ],
)
def test_limits_and_the_side_that_decides(
    run: RunResult, limits: dict[str, float], passed: bool, beyond: int, first: int
) -> None:
    found = judge(Criterion(figure='confidence', **limits), run)
    assert found.value == pytest.approx(0.545)
    assert (found.passed, found.beyond) == (passed, beyond)
    assert len(found.deciding) == 5
    assert found.deciding[0].frame.id.stamp == first


@pytest.mark.parametrize(
    ('statistic', 'value'),
    [
        ('min', 0.5),
        ('p50', 0.545),
        ('p95', 0.5855),
        ('p01', 0.5009),
        ('mean', 0.545),
        ('max', 0.59),
    ],
)
def test_a_statistic_is_taken_over_the_frames(run: RunResult, statistic: Any, value: float) -> None:
    criterion = Criterion(figure='confidence', statistic=statistic, at_least=0)
    assert judge(criterion, run).value == pytest.approx(value)


def test_the_limit_itself_passes(run: RunResult) -> None:
    for limit in ({'at_least': 0.5}, {'at_most': 0.5}):
        assert judge(Criterion(figure='confidence', statistic='min', **limit), run).passed


def test_accuracy_is_of_the_frames_together(run: RunResult) -> None:
    together = ConfusionMatrix(len(CLASSES))
    for index in (0, 4, 8):
        together.add(matrix(index))
    expected = {
        'miou': together.miou(),
        'drivable_iou': together.group_iou((0,)),
        'pixel_accuracy': together.pixel_accuracy(),
        'iou.car': together.iou()[1],
    }
    for figure in expected:
        found = judge(Criterion(figure=figure, at_least=0), run)
        assert found.value == pytest.approx(expected[figure])
        assert found.frames == 3
    worst = judge(Criterion(figure='iou.car', statistic='min', at_least=0), run)
    by_frame = {index: matrix(index).iou()[1] for index in (0, 4, 8)}
    assert worst.value == min(by_frame.values())
    assert [one.frame.id.stamp for one in worst.deciding] == sorted(by_frame, key=by_frame.get)


def test_accuracy_of_a_window(run: RunResult) -> None:
    found = judge(Criterion(figure='miou', between=(1.5, 5), camera='/a', at_least=0), run)
    together = matrix(4)
    together.add(matrix(8))
    assert found.value == pytest.approx(together.miou())


def test_a_camera_is_judged_by_its_frames_alone(run: RunResult) -> None:
    found = judge(Criterion(figure='confidence', camera='/b', at_least=0), run)
    assert found.value == pytest.approx(0.55)
    assert {one.frame.id.camera for one in found.deciding} == {'/b'}


@pytest.mark.parametrize(
    'criterion',
    [
        Criterion(figure='confidence', between=(100, 200), at_least=0),
        Criterion(figure='miou', camera='/b', at_least=0),  # without truth
        Criterion(figure='iou.sky', at_least=0),  # does not occur
        Criterion(figure='flicker', at_most=1),
        Criterion(figure='free_space_overreach_px', at_most=100),
        Criterion(figure='false_drivable_near_rate', at_most=1),
    ],
)
def test_what_was_not_measured_fails(run: RunResult, criterion: Criterion) -> None:
    found = judge(criterion, run)
    assert found.value is None
    assert not found.passed
    assert found.deciding == ()


def test_figures_of_the_whole_bag(run: RunResult) -> None:
    found = judge(Criterion(figure='ece', at_most=0.05), run)
    assert (found.value, found.passed, found.frames) == (0.05, True, None)
    assert not judge(Criterion(figure='fps', at_least=25), run).passed


def test_drops_are_gaps_in_the_numbers(tmp_path: Path) -> None:
    # Of /a, 1 and 2 were dropped, then 4; 5 was taken, but could not be decoded; /b lost its first.
    frames = [('/a', 0), ('/b', 1), ('/a', 3), ('/a', 5), ('/a', 6), ('/b', 2)]
    lines = [
        {'camera': camera, 'frame': frame, 'stamp': 0, 'time_s': frame}
        | ({'error': 'bad'} if frame == 5 else {'confidence': 0.5})
        for camera, frame in frames
    ]
    run = write_run(tmp_path, lines)
    found = judge(Criterion(figure='dropped', at_most=3), run)
    assert (found.value, found.passed) == (4, False)
    assert found.deciding[0].frame.id.frame == 3
    in_window = Criterion(figure='dropped', between=(4, 9), at_most=1)
    assert judge(in_window, run).value == 1
    most = Criterion(figure='dropped', statistic='max', camera='/a', at_most=1)
    assert judge(most, run).value == 2


def test_a_judgement_has_all_its_figures_in_json(run: RunResult) -> None:
    criterion = Criterion(figure='confidence', statistic='min', between=(0, 1), at_least=0.505)
    assert json.loads(json.dumps(judge(criterion, run).to_dict())) == {
        'name': 'confidence min from 0 to 1 s',
        'figure': 'confidence',
        'statistic': 'min',
        'between': [0, 1],
        'at_least': 0.505,
        'value': 0.5,
        'passed': False,
        'measured_frames': 3,
        'frames_beyond': 1,
        'deciding_frames': [
            {'camera': '/a', 'frame': 0, 'stamp': 0, 'time_s': 0.0, 'value': 0.5},
            {'camera': '/b', 'frame': 0, 'stamp': 1, 'time_s': 0.5, 'value': 0.51},
            {'camera': '/a', 'frame': 1, 'stamp': 2, 'time_s': 1.0, 'value': 0.52},
        ],
    }


def test_the_short_form_gives_criteria() -> None:
    names = names_of_run(CLASSES)
    assert parse_criteria([' miou=0.60, iou.road = .9', 'fps=15'], names) == [
        Criterion(figure='miou', at_least=0.6),
        Criterion(figure='iou.road', at_least=0.9),
        Criterion(figure='fps', at_least=15),
    ]
    change = parse_criteria(['change.miou=-0.01'], names_of_comparison(CLASSES))
    assert change == [Criterion(figure='change.miou', at_least=-0.01)]
    assert parse_criteria([], names) == []


def test_names_of_classes_may_have_commas_and_equals_signs() -> None:
    names = names_of_run(['door, double door', 'id=7', 'car'])
    assert parse_criteria(['iou.door, double door=0.5,iou.id=7=0.6, iou.car=0.7'], names) == [
        Criterion(figure='iou.door, double door', at_least=0.5),
        Criterion(figure='iou.id=7', at_least=0.6),
        Criterion(figure='iou.car', at_least=0.7),
    ]


@pytest.mark.parametrize(
    ('text', 'problem'),
    [
        ('', "'' is not NAME=MINIMUM, such as"),
        ('miou', "'miou' is not NAME=MINIMUM, such as"),
        ('miou=0.6,', "'' is not NAME=MINIMUM"),
        ('iou=0.6', "unknown figure 'iou'; choose from miou, .*, iou.road, iou.car, iou.sky"),
        ('total_ms=50', "unknown figure 'total_ms'; choose from"),  # the lower the better
        ('change.miou=0', "unknown figure 'change.miou'; choose from"),
        ('miou=high', "miou=high: 'high' is not a number"),
        ('miou=', "miou=: '' is not a number"),
        ('miou=nan', "'nan' is not a number"),
        ('fps=inf', "'inf' is not a number"),
        ('miou=60', 'miou=60: miou is a fraction: write a number from 0 to 1'),
        ('miou=-0.1', 'write a number from 0 to 1'),
        ('miou=0.5,miou=0.6', 'miou is given twice'),
    ],
)
def test_what_is_no_short_form(text: str, problem: str) -> None:
    with pytest.raises(UserError, match=f'^--fail-under: .*{problem}'):
        parse_criteria([text], names_of_run(CLASSES))


def test_a_change_is_from_minus_one_to_one() -> None:
    with pytest.raises(UserError, match=r'change\.miou is a fraction: write a number from -1 to 1'):
        parse_criteria(['change.miou=-2'], names_of_comparison(CLASSES))


def test_figures_of_a_whole_run() -> None:
    figures = {'miou': 0.6, 'drivable_iou': 0.5999, 'iou.car': None}
    outcomes = [
        judge_figure(Criterion(figure=figure, at_least=0.6), figures)
        for figure in ('miou', 'drivable_iou', 'iou.car', 'pixel_accuracy')
    ]
    assert [outcome.passed for outcome in outcomes] == [True, False, False, False]
    assert [outcome.sentence for outcome in outcomes[1:3]] == [
        'drivable_iou: 0.5999, at least 0.6',
        'iou.car: not measured, at least 0.6',
    ]
