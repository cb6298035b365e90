# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`bisenet replay --fail-under`: what was measured, held against limits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from bisenet_ros.checkpoint import Checkpoint
from bisenet_ros.replay.measure.gates import (
    Gate,
    Outcome,
    figures_of_run,
    judge,
    names_of_run,
    parse_gates,
)


def gates_of_run(text: str, weights: str) -> list[Gate]:
    """Gates of a replay with these weights.

    Raises:
        UserError: They ask for what such a replay does not measure.
    """
    return parse_gates(text, names_of_run(Checkpoint.load(weights).label_space.names))


def run_passes(gates: Sequence[Gate], output: Path) -> bool:
    """Whether the replay that was written to a folder passes all; what each says is printed."""
    metrics = json.loads((output / 'metrics.json').read_text(encoding='utf-8'))
    return all_passed(judge(gates, figures_of_run(metrics)))


def all_passed(outcomes: Sequence[Outcome]) -> bool:
    """Whether every gate is passed; what each says is printed."""
    console = Console(highlight=False)
    for (name, least), value, passed in outcomes:
        found = 'nothing was measured' if value is None else f'{value:.4f}'
        print_outcome(console, passed, f'{name}: {found}, at least {least:g}')
    return all(outcome.passed for outcome in outcomes)


def print_outcome(console: Console, passed: bool, said: str) -> None:
    """A line that begins with Passed or Failed."""
    line = Text('Passed ', 'green') if passed else Text('Failed ', 'bold red')
    console.print(line.append(said, 'not bold default'), soft_wrap=True)
