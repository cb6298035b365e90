# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""report.html over many bags: the figures of all, and the way to the report of each."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from bisenet_ros.formatting import percent
from bisenet_ros.label_space import LabelSpace
from bisenet_ros.replay.page import (
    accuracy_sections,
    origin,
    tiles,
    verdict,
    write_sections,
)

_COLUMNS = ('bag', 'frames', 'mIoU', 'drivable IoU', 'problems')


def write_collection_page(path: Path, metrics: Mapping[str, Any], label_space: LabelSpace) -> None:
    """Write the report; it links those of the bags, which lie in folders beside it.

    Args:
        path: The file to write.
        metrics: What the metrics.json over all bags holds.
        label_space: Of the model.

    Raises:
        OSError: It cannot be written.
    """
    sections = [verdict(metrics), tiles(metrics), _bags(metrics['bags'])]
    if metrics['accuracy'] is not None:
        sections.append(accuracy_sections(metrics['accuracy'], label_space))
    if metrics['model'] is not None:
        sections.append(origin([], metrics))
    write_sections(path, f'{len(metrics["bags"])} bags', sections)


def _bags(bags: Sequence[Mapping[str, Any]]) -> str:
    head = ''.join(f'<th>{name}</th>' for name in _COLUMNS)
    rows = ''.join(
        '<tr>' + ''.join(f'<td class="long">{cell}</td>' for cell in _cells(bag)) + '</tr>'
        for bag in bags
    )
    return f'<h2>Bags</h2><div class="wide"><table><tr>{head}</tr>{rows}</table></div>'


def _cells(bag: Mapping[str, Any]) -> Iterator[str]:
    name = html.escape(bag['path'])
    if bag['results'] is None:
        yield from (name, '–', '–', '–')
    else:
        yield f'<a href="{quote(bag["results"])}/report.html">{name}</a>'
        yield f'{bag["evaluated_frames"]} of {bag["read_frames"]}'
        yield percent(bag['miou'])
        yield percent(bag['drivable_iou'])
    yield html.escape('; '.join(bag['problems']))
