# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Counts the problems of a bag by kind, so that a thousand bad frames make one line."""

from __future__ import annotations


class Problems:
    """Kinds of problems, each with its count and first case."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[int, str]] = {}

    def add(self, kind: str, case: str) -> None:
        """Counts a case.

        Args:
            kind: The problem, worded to follow a number: 'frames could not be decoded'.
            case: Where it occurred, and why.
        """
        count, first = self._found.get(kind, (0, case))
        self._found[kind] = count + 1, first

    def lines(self) -> list[str]:
        """Returns one sentence per kind, in order of first occurrence."""
        return [f'{count} {kind}; first: {case}' for kind, (count, case) in self._found.items()]
