# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files and folders of results: checked before the work begins, created, and written as JSON."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from bisenet_ros.errors import UserError, file_errors
from bisenet_ros.json_text import to_json


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


def check_apart(source: str, files: Iterable[Path], results: Iterable[Path]) -> None:
    """Checks, before anything is written, that no result replaces a file that is read.

    Args:
        source: What is read, for messages: `the bag drive.mcap`.
        files: Its files.
        results: The files that are replaced or removed if they exist.

    Raises:
        UserError: A result is a file of the source, or a folder cannot be read.
    """
    try:
        read = list(files)
        for result in results:
            if result.exists() and any(map(result.samefile, read)):
                raise UserError(
                    f'{result} is a file of {source}, and the results would replace it: '
                    'choose another output folder'
                )
    except OSError as error:
        raise UserError(f'{error.filename}: {error.strerror}') from error


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
    with file_errors(json_file):
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(text + '\n', encoding='utf-8')
