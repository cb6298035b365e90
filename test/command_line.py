# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Runs `bisenet` in this process."""

from __future__ import annotations

from typer.testing import CliRunner, Result

from bisenet_ros.cli import app


def bisenet(*arguments: object, **environment: str) -> Result:
    """Runs a verb; environment variables are those of this process, and the given ones."""
    words = list(map(str, arguments))
    return CliRunner().invoke(app, words, prog_name='bisenet', env=environment)
