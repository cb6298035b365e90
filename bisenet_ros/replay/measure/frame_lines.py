# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Writes frames.jsonl: one line of JSON per frame, never a partial line."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any


class FrameLines:
    """Writes the file, as a context manager.

    Lines are not buffered. If a line cannot be written, the file ends after the line before it.

    Args:
        path: The file; an existing one is replaced.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._whole = 0  # bytes

    def __enter__(self) -> FrameLines:
        self._file = self._path.open('wb')
        return self

    def __exit__(self, *exception: Any) -> None:
        with suppress(OSError):  # a failed write was reported before
            self._file.close()
        if self._path.stat().st_size > self._whole:
            os.truncate(self._path, self._whole)

    def write(self, line: Mapping[str, Any]) -> None:
        """Appends a line.

        Raises:
            OSError: The line cannot be written.
        """
        data = json.dumps(line, allow_nan=False).encode() + b'\n'
        self._file.write(data)
        self._file.flush()
        self._whole += len(data)
