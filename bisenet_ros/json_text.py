# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parses JSON from outside, with errors that users understand."""

from __future__ import annotations

import json
from typing import Any


def parse_json(text: str) -> Any:
    """Parses JSON like `json.loads`.

    Raises:
        ValueError: The text is not JSON, or is nested too deeply.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError('nested too deeply') from error
