# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Output of the verbs: results on standard output, progress and warnings on standard error."""

from __future__ import annotations

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

notes = Console(stderr=True, highlight=False)
"""Console for progress and warnings; standard output is for results."""


def progress_bar() -> Progress:
    """Creates a progress bar with counts and remaining time."""
    return Progress(
        SpinnerColumn(),
        TextColumn('{task.description}', markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=notes,
    )


def warn(message: str) -> None:
    """Prints one line above the progress bar, without interpreting markup."""
    notes.print(message, style='yellow', markup=False, soft_wrap=True)


def print_line(console: Console, text: str) -> None:
    """Prints a line as it is, neither wrapped nor interpreted as markup."""
    console.print(text, markup=False, soft_wrap=True)


def print_outcome(console: Console, passed: bool, said: str) -> None:
    """Prints a line that begins with Passed or Failed."""
    line = Text('Passed ', 'green') if passed else Text('Failed ', 'bold red')
    console.print(line.append(said, 'not bold default'), soft_wrap=True)
