# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The one error that a user is meant to read."""

from __future__ import annotations


class UserError(Exception):
    """Something the user gave is wrong; the message is one line that says what, and what to do.

    The command line prints the message and exits with 2. Subclasses live in the module that
    raises them.
    """
