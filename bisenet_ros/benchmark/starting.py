# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measures the time of a new process to its first labels, and its peak memory."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from bisenet_ros.checkpoint import resolve_weights
from bisenet_ros.errors import UserError
from bisenet_ros.segmenter import Segmenter

_PHASES = {
    'python': ('launched', 'started'),
    'imports': ('started', 'imported'),
    'load': ('imported', 'loaded'),
    'first_frame': ('loaded', 'labelled'),
    'cold': ('launched', 'labelled'),
}


def measure_start(segmenter: Segmenter, rounds: int, advance: Callable[[], None]) -> dict[str, Any]:
    """Starts processes that load the same segmenter, one after another.

    The first one does not count; it brings all files into the page cache.

    Returns:
        Medians in seconds: `cold`, from launching the interpreter to labels, with its parts, and
        `warm`, loading the segmenter again in the same process. Peak `memory_bytes` of such a
        process: `host`, and `gpu` as reserved by torch.

    Raises:
        UserError: A process failed.
    """
    starts = []
    for _ in range(starts_in_all(rounds)):
        starts.append(_start(segmenter))
        advance()
    counted = starts[1:]
    medians = {
        f'{phase}_seconds': float(np.median([start[end] - start[begin] for start in counted]))
        for phase, (begin, end) in _PHASES.items()
    }
    return {
        'rounds': rounds,
        **medians,
        'warm_seconds': float(np.median([start['warm_seconds'] for start in counted])),
        'memory_bytes': {
            where: int(np.median([start['memory_bytes'][where] for start in counted]))
            for where in counted[0]['memory_bytes']
        },
    }


def starts_in_all(rounds: int) -> int:
    """Returns how often `measure_start` calls `advance`."""
    return 1 + rounds


def _start(segmenter: Segmenter) -> dict[str, Any]:
    command = [
        *(sys.executable, '-m', 'bisenet_ros.benchmark.first_labels'),
        *(str(resolve_weights(segmenter.settings.weights).absolute()), segmenter.device),
        *(segmenter.precision, segmenter.engine, str(segmenter.settings.cpu_threads)),
        *map(str, segmenter.network_size),
    ]
    launched = time.monotonic()
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        last = (result.stderr.strip() or 'no error message').splitlines()[-1]
        raise UserError(f'a new process failed before its first labels: {last}')
    report: dict[str, Any] = json.loads(result.stdout)
    return {'launched': launched, **report}
