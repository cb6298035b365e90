# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The page that shows a demo: figures, the overlay video and pictures."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bisenet_ros.demo.report import Picture, Row, rows
from bisenet_ros.formatting import number, percent
from bisenet_ros.label_space import LabelSpace


def write_page(
    path: Path, measured: Mapping[str, Any], pictures: Sequence[Picture], label_space: LabelSpace
) -> None:
    """Write the page, to lie beside the video, the pictures and `metrics.json`."""
    page = _PAGE.format(
        source=html.escape(measured['source']),
        tiles=''.join(_tile(name, value) for name, value in _headline(measured)),
        rows=''.join(
            f'<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>'
            for name, value in rows(measured)
        ),
        classes_title='Classes' if measured['accuracy'] is None else 'Classes, IoU',
        classes=_class_table(measured['accuracy'], label_space),
        pictures=''.join(_figure(picture) for picture in pictures),
        version=html.escape(measured['versions']['bisenet_ros']),
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


def _tile(name: str, value: str) -> str:
    return f'<div class="tile"><b>{html.escape(value)}</b>{html.escape(name)}</div>'


def _class_table(accuracy: Mapping[str, Any] | None, label_space: LabelSpace) -> str:
    """Every class with its colour, and its IoU as a bar where that was measured."""
    lines = []
    for name, (red, green, blue) in zip(label_space.names, label_space.colors, strict=True):
        iou = accuracy['iou'][name] if accuracy is not None else None
        bar = '' if iou is None else f'<meter value="{iou:.4f}"></meter> {percent(iou)}'
        drivable = 'drivable' if name in label_space.drivable else ''
        lines.append(
            f'<tr><td><span class="swatch" style="background:rgb({red},{green},{blue})"></span>'
            f'{html.escape(name)}</td><td>{bar}</td><td>{drivable}</td></tr>'
        )
    return ''.join(lines)


def _figure(picture: Picture) -> str:
    images = [('camera', picture.camera), ('segmented', picture.segmented)]
    if picture.truth is not None:
        images.append(('truth', picture.truth))
    shown = ''.join(
        f'<figure><img src="{name}" alt="{what} at {picture.title}">'
        f'<figcaption>{what}, {picture.title}</figcaption></figure>'
        for what, name in images
    )
    return f'<div class="moment">{shown}</div>'


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>bisenet_ros: {source}</title>
<style>
:root {{ color-scheme: light dark; --line: color-mix(in srgb, currentColor 15%, transparent); }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto;
  padding: 0 1rem }}
h1 {{ font-size: 1.6rem; margin: 0 }}
h2 {{ font-size: 1.15rem; margin: 2rem 0 .5rem }}
p {{ margin: .25rem 0 1rem; opacity: .75 }}
.tiles {{ display: flex; flex-wrap: wrap; gap: .75rem; margin: 1rem 0 }}
.tile {{ flex: 1 1 9rem; border: 1px solid var(--line); border-radius: .5rem;
  padding: .75rem 1rem }}
.tile b {{ display: block; font-size: 1.5rem; font-variant-numeric: tabular-nums }}
video {{ width: 100%; border-radius: .5rem; background: #000 }}
.columns {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr));
  gap: 0 2rem }}
table {{ border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }}
th, td {{ text-align: left; font-weight: normal; padding: .3rem .5rem .3rem 0;
  border-bottom: 1px solid var(--line) }}
.swatch {{ display: inline-block; width: 1rem; height: 1rem; border-radius: .2rem;
  margin-right: .5rem; vertical-align: -.15rem }}
meter {{ width: 7rem }}
.moment {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(16rem, 1fr)); gap: .75rem;
  margin-bottom: 1rem }}
figure {{ margin: 0 }}
img {{ width: 100%; border-radius: .5rem; display: block }}
figcaption {{ font-size: .85rem; opacity: .75 }}
</style>
</head>
<body>
<h1>What the node saw</h1>
<p>{source}: published by a camera process, segmented by <code>segmenter_node</code>, recorded by a
third process, all on ROS 2.</p>
<div class="tiles">{tiles}</div>
<video src="overlay.webm" controls autoplay muted loop playsinline></video>
<p>Each pixel in the colour of its class; the white line is the edge of the drivable area.</p>
<div class="columns">
<div><h2>Measured</h2><table>{rows}</table></div>
<div><h2>{classes_title}</h2><table>{classes}</table></div>
</div>
<h2>Moments</h2>
{pictures}
<p>bisenet_ros {version}; all figures are in <a href="metrics.json">metrics.json</a>.</p>
</body>
</html>
"""
