# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Writes report.html, a self-contained file without scripts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bisenet_ros.label_space import LabelSpace
from bisenet_ros.metrics.calibration import Bin
from bisenet_ros.replay.report.charts import (
    Chart,
    Mark,
    Series,
    legend,
    reliability_diagram,
    short_percent,
    time_line,
)
from bisenet_ros.replay.report.frame_names import anchor, place
from bisenet_ros.replay.report.highlights import FrameSummary
from bisenet_ros.replay.report.pictures import Picture
from bisenet_ros.templates import render

_CHARTS = (
    ('Drivable share of the frame', 'drivable_fraction', short_percent),
    ('Mean confidence', 'confidence', short_percent),
    ('Latency, decoding and inference', 'latency_ms', lambda value: f'{value:g} ms'),
)


def write_page(
    path: Path,
    metrics: Mapping[str, Any],
    summaries: Sequence[FrameSummary],
    pictures: Sequence[Picture],
    label_space: LabelSpace,
) -> None:
    """Writes the report.

    Args:
        path: The file to write.
        metrics: The content of metrics.json.
        summaries: Every evaluated frame.
        pictures: The frames to show.
        label_space: Label space of the model.

    Raises:
        OSError: The file cannot be written.
    """
    shown = [(picture.highlight.summary, picture) for picture in pictures]
    page = render(
        'report',
        subject=metrics['bag']['path'],
        metrics=metrics,
        legend=legend(list(dict.fromkeys(frame.id.camera for frame in summaries))),
        time_lines=list(_time_lines(summaries, pictures)) if summaries else [],
        frames=[
            (place(frame.id, frame.time), anchor(frame.id), picture) for frame, picture in shown
        ],
        label_space=label_space,
        calibration=calibration_chart(metrics['accuracy']),
    )
    path.write_text(page, encoding='utf-8')


def calibration_chart(accuracy: Mapping[str, Any] | None) -> str:
    """Returns the reliability diagram as SVG; empty without data."""
    curve = [Bin(**bin) for bin in accuracy['calibration']] if accuracy is not None else []
    return reliability_diagram(curve) if curve else ''


def _time_lines(summaries: Sequence[FrameSummary], pictures: Sequence[Picture]) -> Iterator[Chart]:
    by_camera: dict[str, list[FrameSummary]] = {}
    for frame in summaries:
        by_camera.setdefault(frame.id.camera, []).append(frame)
    for of_camera in by_camera.values():
        of_camera.sort(key=lambda frame: frame.time)
    for title, name, show in _CHARTS:
        series = [
            Series(
                camera,
                np.array([frame.time for frame in of_camera]),
                np.array([getattr(frame, name) for frame in of_camera], np.float64),
            )
            for camera, of_camera in by_camera.items()
        ]
        marks = [
            Mark(
                frame.time,
                getattr(frame, name),
                f'{kind}: {place(frame.id, frame.time)}',
                anchor(frame.id),
                kind,
            )
            for kind, frame in (picture.highlight for picture in pictures)
        ]
        yield Chart(title, time_line(title, series, marks, show))
