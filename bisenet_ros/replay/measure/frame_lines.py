# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""frames.jsonl: a line of JSON per frame, whole lines only, whatever happens."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any


class FrameLines:
    """Writes the file, as a context manager.

    Each line is handed to the system at once. If one cannot be written, the file ends after the
    one before.

    Args:
        path: The file; an earlier one is replaced.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._whole = 0  # bytes

    def __enter__(self) -> FrameLines:
        self._file = self._path.open('wb')
        return self

    def __exit__(self, *exception: Any) -> None:
        with suppress(OSError):  # what is still to be written was refused before
            self._file.close()
        if self._path.stat().st_size > self._whole:
            os.truncate(self._path, self._whole)

    def write(self, line: Mapping[str, Any]) -> None:
        """Append a line.

        Raises:
            OSError: It cannot be written.
        """
        data = json.dumps(line, allow_nan=False).encode() + b'\n'
        self._file.write(data)
        self._file.flush()
        self._whole += len(data)
