# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""comparison.html: one file, without scripts, that says what changed between two replays."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from bisenet_ros.formatting import percent, points
from bisenet_ros.replay.charts import Mark, Series, legend, time_line
from bisenet_ros.replay.comparison import Comparison, FramePair, Order
from bisenet_ros.replay.evaluation import FrameId
from bisenet_ros.replay.finished import FinishedRun
from bisenet_ros.replay.page import STYLE
from bisenet_ros.replay.pictures import data_uri

PICTURED = 6
"""Frames that are shown."""

_CHANGED_COLOR = (255, 0, 255)

# Neighbours look alike: frames that are shown are at least this share of the drive apart.
_APART = 0.05

_TITLES: dict[Order, str] = {
    'labels': 'Pixels with another label',
    'miou': 'mIoU of the frame',
    'drivable_fraction': 'Drivable share of the frame',
}

Pixels = npt.NDArray[np.uint8]


def write_comparison_page(path: Path, comparison: Comparison, figures: Mapping[str, Any]) -> None:
    """Write the difference report.

    Args:
        path: The file to write.
        comparison: What is shown.
        figures: Its figures.

    Raises:
        RunError: An output.mcap does not fit its frames.jsonl.
        OSError: The page cannot be written.
    """
    shown = _spaced(comparison.ranked('labels'))
    sections = [
        _verdict(figures),
        _names(comparison),
        _accuracy(figures['accuracy']),
        _time_lines(comparison, shown),
        _pictures(comparison, shown),
        _most_changed(comparison.changed_most()),
        _frame_means(figures['frame_means']),
        _settings(figures['settings']),
    ]
    page = _PAGE.format(style=STYLE + _OWN_STYLE, sections='\n'.join(filter(None, sections)))
    path.write_text(page, encoding='utf-8')


def _spaced(ranked: Sequence[FramePair]) -> list[FramePair]:
    """The first of a ranking that are far enough from each other."""
    times = [pair.a.time_s for pair in ranked]
    apart = _APART * (max(times) - min(times)) if times else 0.0
    shown: list[FramePair] = []
    for pair in ranked:
        near = any(
            other.a.id.camera == pair.a.id.camera and abs(other.a.time_s - pair.a.time_s) < apart
            for other in shown
        )
        if not near and len(shown) < PICTURED:
            shown.append(pair)
    return shown


def verdict(figures: Mapping[str, Any]) -> tuple[str, str]:
    """What the comparison says in a word or two, and in a sentence."""
    accuracy = figures['accuracy']
    if accuracy is None:
        changed = figures['changed_labels']
        if changed is None:
            return 'No truth', 'Without truth and labels, only the figures of the frames compare.'
        if not changed:
            return 'Same labels', 'Every pixel has the same label.'
        return 'Other labels', f'{percent(changed)} of the pixels have another label.'
    miou = accuracy['miou']
    if miou['change'] is None:
        return 'No truth', 'No pixel has a truth, so nothing says which is better.'
    said = f'mIoU changes by {points(miou["change"])} points'
    if miou['interval'] is None:
        return 'Too few frames', f'{said}; one frame says nothing about chance.'
    low, high = miou['interval']
    said += f' (95 % interval {points(low)} to {points(high)})'
    if low == high == 0:
        return 'Same accuracy', f'{said}.'
    if low > 0:
        return 'B is better', f'{said}: more than chance among these frames.'
    if high < 0:
        return 'B is worse', f'{said}: more than chance among these frames.'
    return 'No clear difference', f'{said}: it may be chance among these frames.'


def _verdict(figures: Mapping[str, Any]) -> str:
    short, sentence = verdict(figures)
    style = {'B is better': 'good', 'B is worse': 'bad'}.get(short, 'even')
    frames = figures['frames']
    return (
        f'<p class="verdict"><b class="{style}">{short}</b> {sentence}</p>'
        f'<p>{frames["common"]} frames are in both, {frames["with_truth"]} of them with truth '
        f'(A has {frames["a"]}, B has {frames["b"]}). A change is B less A. The interval is a '
        'bootstrap over frames that are drawn for both; neighbouring frames resemble each other, '
        'so it is rather too narrow than too wide.</p>'
    )


def _names(comparison: Comparison) -> str:
    rows = [
        (
            name,
            str(run.path),
            run.metrics['model']['weights'],
            f'{run.metrics["model"]["device"]}, {run.metrics["model"]["precision"]}',
            'complete' if run.metrics['complete'] else 'partial',
        )
        for name, run in (('A', comparison.a), ('B', comparison.b))
    ]
    return _table(('', 'run', 'weights', 'runs on', 'results'), rows)


def _accuracy(accuracy: Mapping[str, Any] | None) -> str:
    if accuracy is None:
        return ''
    whole = [
        ('mIoU', accuracy['miou']),
        ('drivable IoU', accuracy['drivable_iou']),
        ('pixel accuracy', accuracy['pixel_accuracy']),
    ]
    by_class = sorted(accuracy['iou'].items(), key=lambda row: row[1]['change'] or 0.0)
    return '<h2>Accuracy</h2>{}<h2>IoU by class, losses first</h2>{}'.format(
        *(
            '<table><tr><th></th><th class="number">A</th><th class="number">B</th>'
            '<th class="number">change, points</th><th class="number">95 % interval</th></tr>'
            f'{"".join(_accuracy_row(name, row) for name, row in rows)}</table>'
            for rows in (whole, by_class)
        )
    )


def _accuracy_row(name: str, row: Mapping[str, Any]) -> str:
    spread = row.get('interval')
    style = ''
    if spread is not None:
        style = 'gain' if spread[0] > 0 else 'loss' if spread[1] < 0 else ''
    cells = (
        percent(row['a']),
        percent(row['b']),
        points(row['change']),
        '–' if spread is None else f'{points(spread[0])} to {points(spread[1])}',
    )
    columns = ''.join(f'<td class="number {style}">{cell}</td>' for cell in cells)
    return f'<tr><td>{html.escape(name)}</td>{columns}</tr>'


def _time_lines(comparison: Comparison, shown: Sequence[FramePair]) -> str:
    charts = []
    for title, figure in (
        ('mIoU of the frame', 'miou'),
        ('Drivable share of the frame', 'drivable_fraction'),
        ('Mean confidence', 'confidence'),
    ):
        series = list(_series(comparison.pairs, figure))
        if series:
            names = legend([line.name for line in series])
            marks = [
                Mark(p.b.time_s, p.b.figures[figure], _place(p), _anchor(p), 'worst')
                for p in shown
                if figure in p.b.figures
            ]
            chart = time_line(title, series, marks, lambda value: percent(value, None))
            charts.append(f'<h3>{title}</h3><p>{names}</p>{chart}')
    return f'<h2>Over time</h2>{"".join(charts)}'


def _series(pairs: Sequence[FramePair], figure: str) -> Iterable[Series]:
    """A line for each replay and camera."""
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


def _pictures(comparison: Comparison, shown: Sequence[FramePair]) -> str:
    if not shown:
        return ''
    wanted = [pair.a.id for pair in shown]
    runs = comparison.a, comparison.b
    overlays_a, overlays_b = (_collect(run, 'overlay', wanted) for run in runs)
    labels_a, labels_b = (_collect(run, 'labels', wanted) for run in runs)
    moments = []
    for pair in shown:
        frame = pair.a.id
        changed = labels_a[frame] != labels_b[frame]
        images = {
            'A': overlays_a[frame],
            'B': overlays_b[frame],
            'pixels with another label': _highlight(overlays_a[frame], changed),
        }
        figures = ''.join(
            f'<figure><img src="{data_uri(image)}" alt="{what}, {html.escape(_place(pair))}">'
            f'<figcaption>{what}</figcaption></figure>'
            for what, image in images.items()
        )
        moments.append(
            f'<h3 id="{_anchor(pair)}">{html.escape(_place(pair))}</h3>'
            f'<div class="moment">{figures}</div>'
        )
    return f'<h2>Frames that changed most</h2>{"".join(moments)}'


def _collect(
    run: FinishedRun, kind: Literal['labels', 'overlay'], wanted: Sequence[FrameId]
) -> dict[FrameId, Pixels]:
    return {
        frame: pixels
        for camera in dict.fromkeys(frame.camera for frame in wanted)
        for frame, pixels in run.pictures(camera, kind)
        if frame in wanted
    }


def _highlight(image: Pixels, changed: npt.NDArray[np.bool_]) -> Pixels:
    """An (H, W, 3) BGR image in dark grey, and the pixels of (H, W) `changed` in one colour."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) // 2
    shown = np.repeat(grey[..., np.newaxis], 3, axis=2)
    shown[changed] = _CHANGED_COLOR
    return np.asarray(shown, np.uint8)


def _most_changed(most: Mapping[Order, Sequence[FramePair]]) -> str:
    tables = []
    for order, title in _TITLES.items():
        rows = []
        for pair in most[order]:
            cells = [f'{pair.a.time_s:.1f} s', pair.a.id.camera, str(pair.a.id.frame)]
            if order == 'labels':
                cells.append(percent(pair.changed_labels))
            else:
                of_a, of_b = pair.a.figures[order], pair.b.figures[order]
                cells.append(f'{percent(of_a)} → {percent(of_b)} ({points(of_b - of_a)})')
            rows.append(cells)
        if rows:
            table = _table(('time', 'camera', 'frame', title), rows)
            tables.append(f'<div><h3>{title}</h3>{table}</div>')
    if not tables:
        return '<h2>Most changed</h2><p>No frame has changed.</p>'
    return f'<h2>Most changed</h2><div class="columns">{"".join(tables)}</div>'


def _frame_means(means: Mapping[str, Mapping[str, float]]) -> str:
    rows = [
        (name, *(f'{row[key]:.4g}' for key in ('a', 'b')), f'{row["change"]:+.4g}')
        for name, row in means.items()
    ]
    return '<h2>Means over the frames</h2>' + _table(('', 'A', 'B', 'change'), rows)


def _settings(settings: Mapping[str, Mapping[str, Any]]) -> str:
    if not settings:
        return '<h2>What was set differently</h2><p>Nothing: the same model, device, versions.</p>'
    rows = [(name, str(row['a']), str(row['b'])) for name, row in settings.items()]
    return '<h2>What was set differently</h2>' + _table(('', 'A', 'B'), rows)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = ''.join(f'<th>{html.escape(name)}</th>' for name in heads)
    body = ''.join(
        '<tr>' + ''.join(f'<td class="long">{html.escape(cell)}</td>' for cell in row) + '</tr>'
        for row in rows
    )
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'


def _place(pair: FramePair) -> str:
    changed = '' if pair.changed_labels is None else f', {percent(pair.changed_labels)} changed'
    return f'{pair.a.time_s:.1f} s, frame {pair.a.id.frame} of {pair.a.id.camera}{changed}'


def _anchor(pair: FramePair) -> str:
    return f'frame-{pair.a.id.camera.strip("/").replace("/", "-")}-{pair.a.id.frame}'


_OWN_STYLE = """
.even { background: #6b7280 }
.gain { color: #1f9d57 }
.loss { color: #d63a2b }
"""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Two replays compared</title>
<style>{style}</style>
</head>
<body>
<h1>Two replays compared</h1>
{sections}
</body>
</html>
"""
