# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Writes the page of a demo: figures, overlay video and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bisenet_ros.demo.drawings import Picture
from bisenet_ros.demo.report import Row, rows
from bisenet_ros.formatting import number, percent
from bisenet_ros.label_space import LabelSpace
from bisenet_ros.templates import render


def write_page(
    path: Path, measured: Mapping[str, Any], pictures: Sequence[Picture], label_space: LabelSpace
) -> None:
    """Writes the page beside the video, the pictures and `metrics.json`."""
    page = render(
        'demo',
        measured=measured,
        headline=_headline(measured),
        rows=rows(measured),
        pictures=pictures,
        label_space=label_space,
    )
    path.write_text(page, encoding='utf-8')


def _headline(measured: Mapping[str, Any]) -> list[Row]:
    accuracy = measured['accuracy']
    shown = [
        ('frames per second', number(measured['fps'])),
        ('latency, median', f'{measured["latency_ms"]["p50"]:.0f} ms'),
        ('frames dropped', str(measured['frames']['dropped'])),
    ]
    if accuracy is not None:
        shown += [
            ('mIoU', percent(accuracy['miou'])),
            ('drivable IoU', percent(accuracy['drivable_iou'])),
        ]
    return shown
