# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The error whose message users read, and how other errors are shown to them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BAD_INPUT = 2
"""Exit code of a program that refuses its input with a message."""

_LONGEST = 2000
"""Maximum length of a message, because names in a damaged file may have any length."""


class UserError(Exception):
    """The user's input is wrong; the message says in one line what is wrong and what to do.

    The command line prints the message and exits with `BAD_INPUT`. Subclasses are defined in the
    module that raises them.

    A message may quote the content of a file. Non-printable characters, such as line breaks and
    terminal control sequences, are escaped as in Python, and a very long message is truncated.
    """

    def __init__(self, message: str) -> None:
        shown = message if len(message) <= _LONGEST else f'{message[:_LONGEST]} ...'
        super().__init__(printable(shown))


@contextmanager
def file_errors(path: Path) -> Iterator[None]:
    """Turns an `OSError` within this context into a `UserError` that names a file or folder."""
    try:
        yield
    except OSError as error:
        raise UserError(f'{path}: {error.strerror or error}') from error


def check_utf8(path: Path, library: str) -> None:
    """Refuses a path that a library cannot open, because it takes UTF-8 only.

    Raises:
        UserError: The path is not UTF-8.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise UserError(
            f'{path}: the name is not UTF-8, which {library} needs: rename it'
        ) from error


def first_line(error: Exception) -> str:
    """Returns the first line of a library's error, without its details for debuggers."""
    return str(error).strip().partition('\n')[0] or type(error).__name__


def printable(text: str) -> str:
    """Returns a text for the terminal: non-printable characters are escaped as in Python."""
    return ''.join(
        one if one.isprintable() else one.encode('unicode_escape').decode('ascii') for one in text
    )
