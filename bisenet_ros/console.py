# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Output of the verbs: results on standard output, progress and warnings on standard error."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Any

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

from bisenet_ros.errors import UserError
from bisenet_ros.json_text import to_json

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


def is_standard_output(json_file: Path | None) -> bool:
    """Returns whether JSON goes to standard output, so that nothing else may be printed there."""
    return json_file == Path('-')


def check_writable(file: Path) -> None:
    """Checks, before the work begins, that a result file can be written.

    Leaves no file behind. `-` is standard output.

    Raises:
        UserError: The file, or the folder in which it or its parent would be created, is not
            writable.
    """
    if is_standard_output(file):
        return
    try:
        if not file.exists():
            folder = next(folder for folder in file.absolute().parents if folder.exists())
            tempfile.TemporaryFile(dir=folder).close()
        elif not os.access(file, os.W_OK):
            raise UserError(f'{file}: the file exists and is not writable')
    except OSError as error:
        raise UserError(f'{file}: {error.strerror}') from error


def write_json(json_file: Path, figures: Mapping[str, Any]) -> None:
    """Writes figures as JSON; `-` is standard output.

    Raises:
        UserError: The file cannot be written.
    """
    text = to_json(figures)
    if is_standard_output(json_file):
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(encoding='utf-8')  # as JSON is, in any locale
        print(text)
        return
    try:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(text + '\n', encoding='utf-8')
    except OSError as error:
        raise UserError(f'{json_file}: {error.strerror}') from error


def make_folder(folder: Path, without: Sequence[str] = ()) -> None:
    """Creates a folder for results, and its parents.

    Args:
        folder: The folder.
        without: Names of files that are removed if they exist: results of an earlier run, which
            must not stand beside those of this one.

    Raises:
        UserError: It cannot be created, or a file cannot be removed.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in without:
            (folder / name).unlink(missing_ok=True)
    except FileExistsError as error:
        raise UserError(f'{folder} is a file: give a folder for the results') from error
    except OSError as error:
        raise UserError(f'{error.filename}: {error.strerror}') from error
