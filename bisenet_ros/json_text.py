# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parses JSON from outside, with errors that users understand."""

from __future__ import annotations

import json
from typing import Any


def parse_json(text: str) -> Any:
    """As `json.loads`.

    Raises:
        ValueError: It is not JSON, or nested so deeply that nobody meant it.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError('nested too deeply') from error
