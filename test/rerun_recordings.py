# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reads recordings of Rerun with its own reader."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from rerun.chunk import RrdReader

Rows = dict[str, dict[int, dict[str, Any]]]


def rows_of(recording: Path) -> Rows:
    """Returns components by entity and frame number; static components are at -1."""
    rows: Rows = defaultdict(lambda: defaultdict(dict))
    for chunk in RrdReader(recording).stream().to_chunks():
        table = pa.Table.from_batches([chunk.to_record_batch()])
        for index, field in enumerate(table.schema):
            if pa.types.is_timestamp(field.type):  # nanoseconds, which datetime cannot represent
                table = table.set_column(index, field.name, table.column(index).cast(pa.int64()))
        for row in table.to_pylist():
            frame = row.pop('frame', -1)
            rows[chunk.entity_path][frame] |= {
                name: value for name, value in row.items() if value is not None
            }
    return rows


def image_of(row: dict[str, Any], kind: str = 'SegmentationImage:buffer') -> np.ndarray:
    """Returns an image of labels, or a grid, (H, W)."""
    (shape,) = row[kind.partition(':')[0] + ':format']
    (data,) = row[kind]
    return np.frombuffer(bytes(data), np.uint8).reshape(shape['height'], shape['width'])
