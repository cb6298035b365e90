# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Writes comparison.html: the differences of two replays in one file, without scripts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from bisenet_ros.formatting import percent, points
from bisenet_ros.replay.measure.comparison import Comparison, FramePair
from bisenet_ros.replay.measure.figures import find_figure
from bisenet_ros.replay.measure.run_result import OUTPUT_BAG, RunError
from bisenet_ros.replay.report.charts import Chart, Mark, Series, legend, short_percent, time_line
from bisenet_ros.replay.report.frame_names import anchor, place
from bisenet_ros.replay.report.pictures import data_uri
from bisenet_ros.replay.report.spacing import spaced
from bisenet_ros.templates import render

PICTURED = 6
"""Number of frames that are shown."""

_CHANGED_COLOR = (255, 0, 255)

_CHARTS = {
    'miou': 'mIoU of the frame',
    'drivable_fraction': 'Drivable share of the frame',
    'confidence': 'Mean confidence',
}

Pixels = npt.NDArray[np.uint8]


def write_comparison_page(path: Path, comparison: Comparison, figures: Mapping[str, Any]) -> None:
    """Writes the page.

    Args:
        path: The file to write.
        comparison: The comparison to show.
        figures: The figures of the comparison.

    Raises:
        RunError: An output.mcap does not match its frames.jsonl.
        OSError: The page cannot be written.
    """
    ranked = comparison.ranked('labels')
    times = [pair.a.time_s for pair in ranked]
    span = max(times) - min(times) if times else 0.0
    shown = spaced(ranked, PICTURED, span, lambda pair: (pair.a.id.camera, pair.a.time_s))
    accuracy = figures['accuracy']
    by_class = [] if accuracy is None else accuracy['iou'].items()
    short, sentence = verdict(figures)
    page = render(
        'comparison',
        figures=figures,
        short=short,
        sentence=sentence,
        classes=sorted(by_class, key=lambda row: row[1]['change'] or 0.0),
        time_lines=list(_time_lines(comparison, shown)),
        pictures=list(_pictures(comparison, shown)),
        frame_means=[_mean_row(name, row) for name, row in figures['frame_means'].items()],
    )
    path.write_text(page, encoding='utf-8')


def verdict(figures: Mapping[str, Any]) -> tuple[str, str]:
    """Returns the verdict in a few words, and in a sentence."""
    accuracy = figures['accuracy']
    if accuracy is None:
        changed = figures['changed_labels']
        if changed is None:
            return 'No truth', 'Without ground truth and labels, only frame figures are compared.'
        if not changed:
            return 'Same labels', 'All pixels have the same label.'
        return 'Other labels', f'The label of {percent(changed)} of the pixels changed.'
    miou = accuracy['miou']
    if miou['change'] is None:
        return 'No truth', 'No pixel has ground truth, so it is not known which is better.'
    said = f'mIoU changes by {points(miou["change"])} points'
    if miou['interval'] is None:
        return 'Too few frames', f'{said}; an interval needs at least two frames.'
    low, high = miou['interval']
    said += f' (95 % interval {points(low)} to {points(high)})'
    if low == high == 0:
        return 'Same accuracy', f'{said}.'
    if low > 0:
        return 'B is better', f'{said}: more than chance on these frames.'
    if high < 0:
        return 'B is worse', f'{said}: more than chance on these frames.'
    return 'No clear difference', f'{said}: it may be chance on these frames.'


def _mean_row(name: str, mean: Mapping[str, float]) -> tuple[str, str, str, str, str]:
    """Returns title, A, B and change, with units, and whether higher or lower is better."""
    figure = find_figure(name)
    if figure is None:  # of a metric that only the program that replayed has
        return name, f'{mean["a"]:.4g}', f'{mean["b"]:.4g}', f'{mean["change"]:+.4g}', ''
    if figure.unit == 'fraction':
        a, b, change = percent(mean['a']), percent(mean['b']), f'{points(mean["change"])} points'
    else:
        a, b = (f'{mean[run]:.4g} {figure.unit}' for run in ('a', 'b'))
        change = f'{mean["change"]:+.4g} {figure.unit}'
    return figure.title, a, b, change, figure.better or ''


def _time_lines(comparison: Comparison, shown: Sequence[FramePair]) -> Iterator[Chart]:
    for figure, title in _CHARTS.items():
        series = list(_series(comparison.pairs, figure))
        marks = [
            Mark(p.b.time_s, p.b.figures[figure], _place(p), anchor(p.a.id), 'worst')
            for p in shown
            if figure in p.b.figures
        ]
        if series:
            svg = time_line(title, series, marks, short_percent)
            yield Chart(title, svg, legend([line.name for line in series]))


def _series(pairs: Sequence[FramePair], figure: str) -> Iterable[Series]:
    """Returns a line for each replay and camera."""
    cameras = list(dict.fromkeys(pair.a.id.camera for pair in pairs))
    for camera in cameras:
        both = [p for p in pairs if p.a.id.camera == camera and p.change(figure) is not None]
        both.sort(key=lambda pair: pair.a.time_s)
        times = np.array([pair.a.time_s for pair in both], np.float64)
        of_a = np.array([pair.a.figures[figure] for pair in both], np.float64)
        of_b = np.array([pair.b.figures[figure] for pair in both], np.float64)
        suffix = f' {camera}' if len(cameras) > 1 else ''
        if both:
            yield Series(f'A{suffix}', times, of_a)
            yield Series(f'B{suffix}', times, of_b)


def _pictures(
    comparison: Comparison, shown: Sequence[FramePair]
) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yields for each frame its place in the drive, its anchor, and images by caption."""
    wanted = [pair.a.id for pair in shown]
    runs = comparison.a, comparison.b
    overlays_a, overlays_b = (run.pictures_of(wanted, 'overlay') for run in runs)
    labels_a, labels_b = (run.pictures_of(wanted, 'labels') for run in runs)
    for pair in shown:
        frame = pair.a.id
        changed = labels_a[frame] != labels_b[frame]
        for run, overlays in zip(runs, (overlays_a, overlays_b), strict=True):
            if overlays[frame].shape[:2] != changed.shape:
                raise RunError(
                    f'{run.path / OUTPUT_BAG}: the labels and the overlay of frame '
                    f'{frame.frame} of {frame.camera} differ in size: replay the bag again'
                )
        images = {
            'A': overlays_a[frame],
            'B': overlays_b[frame],
            'changed labels': _highlight(overlays_a[frame], changed),
        }
        uris = {what: data_uri(image) for what, image in images.items()}
        yield _place(pair), anchor(frame), uris


def _highlight(image: Pixels, changed: npt.NDArray[np.bool_]) -> Pixels:
    """Returns an (H, W, 3) BGR image in dark grey, with the (H, W) `changed` pixels highlighted."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) // 2
    shown = np.repeat(grey[..., np.newaxis], 3, axis=2)
    shown[changed] = _CHANGED_COLOR
    return np.asarray(shown, np.uint8)


def _place(pair: FramePair) -> str:
    changed = '' if pair.changed_labels is None else f', {percent(pair.changed_labels)} changed'
    return place(pair.a.id, pair.a.time_s) + changed
