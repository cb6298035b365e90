# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Figures that must not be under a limit, so that a build can depend on them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bisenet_ros.errors import UserError

ACCURACY = ('miou', 'drivable_iou', 'pixel_accuracy')
_CHANGE = 'change.'
# The only one that is no share from 0 to 1.
_FPS = 'fps'


class GateError(UserError):
    """A gate that cannot be understood, or asks for what is not measured."""


class Gate(NamedTuple):
    """A figure's name, and what it has to reach."""

    name: str
    least: float


class Outcome(NamedTuple):
    """A gate, what was measured, None where nothing was, and whether that is enough."""

    gate: Gate
    value: float | None
    passed: bool


def names_of_run(classes: Sequence[str]) -> list[str]:
    """What a replay can be held to: figures that are the better the greater they are."""
    return [*_accuracy_names(classes), 'confidence', _FPS]


def names_of_comparison(classes: Sequence[str]) -> list[str]:
    """What a comparison can be held to: figures of B, and by how much they are greater than A's."""
    names = _accuracy_names(classes)
    return [*names, *(f'{_CHANGE}{name}' for name in names)]


def figures_of_run(metrics: Mapping[str, Any]) -> dict[str, float | None]:
    """From what metrics.json holds; the values are from 0 to 1, apart from fps.

    Args:
        metrics: Of a replay of which something was evaluated.
    """
    accuracy = metrics['accuracy']
    figures: dict[str, float | None] = {
        'confidence': metrics['confidence'] and metrics['confidence']['mean'],
        _FPS: metrics['fps'],
    }
    if accuracy is not None:
        figures |= {name: accuracy[name] for name in ACCURACY}
        figures |= {f'iou.{name}': value for name, value in accuracy['iou'].items()}
    return figures


def figures_of_comparison(comparison: Mapping[str, Any]) -> dict[str, float | None]:
    """From what comparison.json holds."""
    accuracy = comparison['accuracy']
    if accuracy is None:
        return {}
    rows = {name: accuracy[name] for name in ACCURACY}
    rows |= {f'iou.{name}': row for name, row in accuracy['iou'].items()}
    return {
        **{name: row['b'] for name, row in rows.items()},
        **{f'{_CHANGE}{name}': row['change'] for name, row in rows.items()},
    }


def parse_gates(text: str, names: Sequence[str]) -> list[Gate]:
    """Gates as a user writes them: `miou=0.60,drivable_iou=0.90`.

    Args:
        text: The gates.
        names: What there is to be measured.

    Raises:
        GateError: It says what is wrong with which of them.
    """
    gates: dict[str, Gate] = {}
    for part in text.split(','):
        name, equals, limit = (word.strip() for word in part.partition('='))
        if not equals:
            raise GateError(f'{part.strip()!r} is no gate: write NAME=LEAST, as in miou=0.60')
        if name not in names:
            raise GateError(f'no figure {name!r} to gate on; there are {", ".join(names)}')
        if name in gates:
            raise GateError(f'{name} has two gates')
        gates[name] = Gate(name, _limit(name, limit))
    return list(gates.values())


def judge(gates: Sequence[Gate], figures: Mapping[str, float | None]) -> list[Outcome]:
    """Whether each gate is passed; one without a value is not."""
    outcomes = []
    for gate in gates:
        value = figures.get(gate.name)
        outcomes.append(Outcome(gate, value, value is not None and value >= gate.least))
    return outcomes


def _accuracy_names(classes: Sequence[str]) -> list[str]:
    return [*ACCURACY, *(f'iou.{name}' for name in classes)]


def _limit(name: str, text: str) -> float:
    try:
        limit = float(text)
    except ValueError:
        limit = math.nan
    if not math.isfinite(limit):
        raise GateError(f'{name}={text}: {text!r} is no number')
    low = -1 if name.startswith(_CHANGE) else 0
    if name != _FPS and not low <= limit <= 1:
        raise GateError(f'{name}={text}: it is a share: write a number from {low} to 1')
    return limit
