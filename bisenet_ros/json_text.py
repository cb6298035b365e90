# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parses JSON from outside, with errors that users understand, and writes JSON for any reader."""

from __future__ import annotations

import json
import re
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


def to_json(value: Any) -> str:
    r"""Returns a value as indented JSON.

    Bytes of file names that are not UTF-8 are written as text such as `\udcff`: strict readers
    refuse them as characters.

    Raises:
        ValueError: A number is not finite.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    return re.sub('[\ud800-\udfff]', lambda byte: rf'\\u{ord(byte[0]):x}', text)
