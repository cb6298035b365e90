# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The error whose message users read."""

from __future__ import annotations

_LONGEST = 2000
"""Characters of a message; names in a damaged file may be of any length."""


class UserError(Exception):
    """Something the user gave is wrong; the message is one line that says what, and what to do.

    The command line prints the message and exits with 2. Subclasses live in the module that
    raises them.

    A message may quote what a file holds. Line breaks and the control sequences of terminals in it
    are shown as Python writes them, and a very long message is cut.
    """

    def __init__(self, message: str) -> None:
        shown = message if len(message) <= _LONGEST else f'{message[:_LONGEST]} ...'
        super().__init__(''.join(map(_printable, shown)))


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    return character.encode('unicode_escape').decode('ascii')
