# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""report.html: one file, without scripts, that opens anywhere and needs nothing beside it."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bisenet_ros.formatting import percent
from bisenet_ros.label_space import LabelSpace
from bisenet_ros.metrics import figures
from bisenet_ros.metrics.calibration import Bin
from bisenet_ros.replay.charts import Mark, Series, legend, reliability_diagram, time_line
from bisenet_ros.replay.moments import Moment
from bisenet_ros.replay.pictures import Picture

_CHARTS = (
    ('Drivable share of the frame', 'drivable_fraction', lambda value: percent(value, None)),
    ('Mean confidence', 'confidence', lambda value: f'{value:g}'),
    ('Latency, decoding and inference', 'latency_ms', lambda value: f'{value:g} ms'),
)


def write_page(
    path: Path,
    metrics: Mapping[str, Any],
    moments: Sequence[Moment],
    pictures: Sequence[Picture],
    label_space: LabelSpace,
) -> None:
    """Write the report.

    Args:
        path: The file to write.
        metrics: What metrics.json holds.
        moments: Every evaluated frame.
        pictures: The frames that are shown.
        label_space: Of the model.

    Raises:
        OSError: It cannot be written.
    """
    sections = [verdict(metrics), tiles(metrics)]
    if moments:
        sections.append(_time_lines(moments, pictures))
    if metrics['accuracy'] is not None:
        sections.append(accuracy_sections(metrics['accuracy'], label_space))
    if pictures:
        sections.append(_pictures(pictures))
    sections += [_cameras(metrics['cameras']), origin(_files(metrics['bag']), metrics)]
    write_sections(path, metrics['bag']['path'], sections)


def write_sections(path: Path, title: str, sections: Iterable[str]) -> None:
    """Write a report that is made of pieces of HTML.

    Raises:
        OSError: It cannot be written.
    """
    page = _PAGE.format(title=html.escape(title), style=STYLE, sections='\n'.join(sections))
    path.write_text(page, encoding='utf-8')


def verdict(metrics: Mapping[str, Any]) -> str:
    """Whether all of it could be evaluated, and what that says in words."""
    accuracy, evaluated = metrics['accuracy'], metrics['evaluated_frames']
    said = [f'{evaluated} of {metrics["read_frames"]} frames were evaluated']
    if accuracy is not None:
        said[0] += f', {accuracy["frames"]} of them against the truth'
    if metrics['rate'] is not None:
        said.append(
            f'They arrived by their stamps at {metrics["rate"]:g} times the speed of the drive, '
            f'and {metrics["dropped_frames"]} were dropped because a newer one came'
        )
    if accuracy is not None:
        if accuracy['false_drivable_rate'] is not None:
            said.append(
                f'Of what the model calls drivable, {percent(accuracy["false_drivable_rate"])} '
                'is not'
            )
        if accuracy['free_space_error_px'] is not None:
            said.append(
                f'The free space ends {accuracy["free_space_error_px"]:.1f} px from where it '
                'truly does, in the mean'
            )
    elif evaluated:
        said.append('The bag has no truth, so these figures say how sure it was, not how right')
    state, style = ('Complete', 'good') if metrics['complete'] else ('Partial', 'bad')
    problems = ''.join(f'<li>{html.escape(problem)}</li>' for problem in metrics['problems'])
    return (
        f'<p class="verdict"><b class="{style}">{state}</b> {". ".join(said)}.</p>'
        + f'<ul class="problems">{problems}</ul>' * bool(problems)
    )


def tiles(metrics: Mapping[str, Any]) -> str:
    """The figures that matter most."""
    tiles, known = [], figures(truth=True)
    if (accuracy := metrics['accuracy']) is not None:
        tiles += [
            (known[name].title, percent(accuracy[name]))
            for name in ('miou', 'drivable_iou', 'boundary_f', 'false_drivable_rate', 'ece')
        ]
    if metrics['rate'] is not None:
        tiles.append(('frames dropped', str(metrics['dropped_frames'])))
    if (age := metrics['age_ms']) is not None:
        tiles.append(('age p95', f'{age["p95"]:.0f} ms'))
    if metrics['evaluated_frames']:
        tiles += [
            ('mean confidence', percent(metrics['confidence']['mean'])),
            ('flicker', percent(metrics['flicker'])),
            ('latency p95', f'{metrics["latency_ms"]["total"]["p95"]:.0f} ms'),
            ('frames per second', f'{metrics["fps"]:.1f}'),
        ]
    return '<div class="tiles">{}</div>'.format(
        ''.join(f'<div class="tile"><b>{value}</b>{name}</div>' for name, value in tiles)
    )


def _time_lines(moments: Sequence[Moment], pictures: Sequence[Picture]) -> str:
    by_camera: dict[str, list[Moment]] = {}
    for moment in moments:
        by_camera.setdefault(moment.camera, []).append(moment)
    for of_camera in by_camera.values():
        of_camera.sort(key=lambda moment: moment.time)
    charts = []
    for title, name, show in _CHARTS:
        series = [
            Series(
                camera,
                np.array([moment.time for moment in of_camera]),
                np.array([getattr(moment, name) for moment in of_camera], np.float64),
            )
            for camera, of_camera in by_camera.items()
        ]
        marks = [
            Mark(
                moment.time,
                getattr(moment, name),
                f'{kind}: {_place(moment)}',
                _anchor(moment),
                kind,
            )
            for kind, moment in (picture.chosen for picture in pictures)
        ]
        charts.append(f'<h3>{title}</h3>{time_line(title, series, marks, show)}')
    return (
        f'<h2>Over time</h2><p>{legend(list(by_camera))} Dots are the frames shown below: '
        '<span class="worst">●</span> worst, <span class="slowest">●</span> slowest, '
        '<span class="typical">●</span> typical, <span class="best">●</span> best.</p>'
        f'{"".join(charts)}'
    )


def _pictures(pictures: Sequence[Picture]) -> str:
    shown = []
    for picture in pictures:
        kind, moment = picture.chosen
        quality = '' if moment.miou is None else f', mIoU {percent(moment.miou)}'
        images = ''.join(
            f'<figure><img src="{uri}" alt="{what}, {html.escape(_place(moment))}">'
            f'<figcaption>{what}</figcaption></figure>'
            for what, uri in picture.images.items()
        )
        shown.append(
            f'<h3 id="{_anchor(moment)}"><span class="{kind}">●</span> {kind.capitalize()}: '
            f'{html.escape(_place(moment))}{quality}, '
            f'confidence {percent(moment.confidence)}</h3><div class="moment">{images}</div>'
        )
    return (
        '<h2>Frames</h2><p>Each pixel in the colour of its class; the white line is the edge of '
        f'the drivable area.</p>{"".join(shown)}'
    )


def accuracy_sections(accuracy: Mapping[str, Any], label_space: LabelSpace) -> str:
    """The figures by class, calibration and confusion."""
    counts = np.array(accuracy['confusion'], np.int64)
    curve = [Bin(**bin) for bin in accuracy['calibration']]
    calibration = (
        '<h2>Calibration</h2><p>How often a label is right, over its confidence: on the diagonal '
        f'it is what it says. The mean distance is {percent(accuracy["ece"])}.</p>'
        f'<div class="square">{reliability_diagram(curve)}</div>'
    ) * bool(curve)
    return (
        '<div class="columns"><div class="wide"><h2>Classes</h2><table class="classes">'
        '<tr><th>class</th><th>IoU</th><th class="number">boundary F-score</th>'
        '<th class="number">share of the truth</th><th></th></tr>'
        f'{"".join(_class_rows(accuracy, counts, label_space))}</table></div>'
        f'<div>{calibration}</div></div>'
        '<h2>Confusion</h2><p>Of the pixels of a class (row), the share that got a label '
        '(column), in percent.</p><div class="wide"><table class="confusion">'
        f'{"".join(_confusion_rows(counts, label_space))}</table></div>'
    )


def _class_rows(accuracy: Mapping[str, Any], counts: Any, label_space: LabelSpace) -> Iterator[str]:
    shares = counts.sum(axis=1) / max(1, counts.sum())
    for name, color, share in zip(label_space.names, label_space.colors, shares, strict=True):
        value = accuracy['iou'][name]
        boundary = accuracy['boundary_f_by_class'][name]
        bar = 'does not occur'
        if value is not None:
            bar = f'<meter value="{value:.4f}"></meter> {percent(value)}'
        drivable = 'drivable' if name in label_space.drivable else ''
        yield (
            f'<tr><td>{_swatch(color)}{html.escape(name)}</td><td>{bar}</td>'
            f'<td class="number">{percent(boundary)}</td>'
            f'<td class="number">{percent(float(share))}</td><td>{drivable}</td></tr>'
        )


def _confusion_rows(counts: Any, label_space: LabelSpace) -> Iterator[str]:
    unlabelled = bool(counts[:, -1].any())
    columns = [*label_space.names, 'not labelled'] if unlabelled else [*label_space.names]
    heads = ''.join(f'<th><span>{html.escape(name)}</span></th>' for name in columns)
    yield f'<tr><th></th>{heads}</tr>'
    for name, color, row in zip(label_space.names, label_space.colors, counts, strict=True):
        total = row.sum()
        cells = []
        for count in row[: len(columns)]:
            share = count / total if total else 0.0
            text = percent(share, 0).removesuffix(' %') if share >= 0.005 else ''
            cells.append(f'<td style="--share:{100 * share:.0f}%">{text}</td>')
        yield f'<tr><th>{_swatch(color)}{html.escape(name)}</th>{"".join(cells)}</tr>'


def _cameras(cameras: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for camera in cameras:
        accuracy, evaluated = camera['accuracy'], camera['evaluated_frames']
        cells = [
            html.escape(camera['image_topic']),
            html.escape(camera['labels_topic'] or '–'),
            f'{evaluated} of {camera["read_frames"]}',
            percent(accuracy['miou'] if accuracy else None),
            percent(accuracy['drivable_iou'] if accuracy else None),
            percent(camera['confidence']['mean'] if evaluated else None),
            f'{camera["latency_ms"]["total"]["p95"]:.0f} ms' if evaluated else '–',
        ]
        rows.append('<tr>' + ''.join(f'<td>{cell}</td>' for cell in cells) + '</tr>')
    heads = ('images', 'truth', 'frames', 'mIoU', 'drivable IoU', 'confidence', 'latency p95')
    head = ''.join(f'<th>{name}</th>' for name in heads)
    return f'<h2>Cameras</h2><div class="wide"><table><tr>{head}</tr>{"".join(rows)}</table></div>'


def _files(bag: Mapping[str, Any]) -> list[tuple[str, str]]:
    files = [(file['name'], f'sha256 {file["sha256"]}') for file in bag['files']]
    return [('bag', bag['path']), *files]


def origin(sources: Sequence[tuple[str, str]], metrics: Mapping[str, Any]) -> str:
    """What was evaluated, by name, and with which model."""
    model, versions = metrics['model'], metrics['versions']
    facts = [
        *sources,
        ('weights', f'{model["weights"]}, sha256 {model["sha256"]}'),
        ('network', f'{model["network"]}, {"x".join(map(str, model["network_size"]))}'),
        ('runs on', f'{model["device"]}, {model["precision"]}'),
        ('drivable', ', '.join(model['drivable_classes'])),
        ('versions', ', '.join(f'{name} {version}' for name, version in versions.items())),
    ]
    rows = ''.join(
        f'<tr><th>{html.escape(name)}</th><td class="long">{html.escape(value)}</td></tr>'
        for name, value in facts
    )
    return f'<h2>What produced this</h2><table>{rows}</table>'


def _swatch(color: tuple[int, int, int]) -> str:
    return f'<span class="swatch" style="background:rgb{color}"></span>'


def _place(moment: Moment) -> str:
    return f'{moment.time:.1f} s, frame {moment.frame} of {moment.camera}'


def _anchor(moment: Moment) -> str:
    return f'frame-{moment.camera.strip("/").replace("/", "-")}-{moment.frame}'


STYLE = """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 15%, transparent) }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem; margin: 0; overflow-wrap: anywhere }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem }
h3 { font-size: 1rem; margin: 1.25rem 0 .25rem }
p { margin: .25rem 0 1rem }
.verdict { font-size: 1.15rem }
.verdict b { color: #fff; border-radius: .4rem; padding: .15rem .6rem; margin-right: .4rem }
.good { background: #1f8a4c }
.bad { background: #c0392b }
.problems { overflow-wrap: anywhere }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(14rem, 1fr)); gap: .75rem;
  margin: 1rem 0 }
.tile { border: 1px solid var(--line); border-radius: .5rem; padding: .75rem 1rem }
.tile b { display: block; font-size: 1.4rem; font-variant-numeric: tabular-nums }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); gap: 0 3rem }
.wide { overflow-x: auto }
.square { max-width: 22rem }
svg { width: 100%; display: block; overflow: visible }
svg text { font-size: 12px; fill: currentColor; opacity: .7 }
.grid { stroke: currentColor; opacity: .15; fill: none }
.line { fill: none; stroke-width: 1.5; stroke-linejoin: round }
.worst { fill: #d63a2b; color: #d63a2b }
.slowest { fill: #c77700; color: #c77700 }
.typical { fill: #8a8f98; color: #8a8f98 }
.best { fill: #1f9d57; color: #1f9d57 }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { text-align: left; font-weight: normal; padding: .3rem .5rem .3rem 0;
  border-bottom: 1px solid var(--line); vertical-align: top }
tr:first-child th { opacity: .7 }
.number { text-align: right; padding-right: 1rem }
.long { overflow-wrap: anywhere }
.swatch { display: inline-block; width: .9rem; height: .9rem; border-radius: .2rem;
  margin-right: .5rem; vertical-align: -.1rem }
.classes td { white-space: nowrap }
meter { width: 5rem }
.confusion { width: auto; font-size: .85rem }
.confusion td { width: 2.2rem; min-width: 2.2rem; text-align: center; padding: .3rem 0;
  background: color-mix(in srgb, #2f7ed8 var(--share), transparent) }
.confusion tr:first-child th { vertical-align: bottom; padding: 0 0 .3rem }
.confusion tr:first-child span { writing-mode: vertical-rl; transform: rotate(180deg) }
.moment { display: grid; grid-template-columns: repeat(3, 1fr); gap: .75rem }
figure { margin: 0 }
img { width: 100%; border-radius: .5rem; display: block }
figcaption { font-size: .85rem; opacity: .7 }
"""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Replay of {title}</title>
<style>{style}</style>
</head>
<body>
<h1>Replay of {title}</h1>
{sections}
</body>
</html>
"""
