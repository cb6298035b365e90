# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Draws the figures of a benchmark as a self-contained SVG."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bisenet_ros.errors import UserError, file_errors
from bisenet_ros.formatting import COLORS

_OURS, _THEIRS = COLORS[0], '#9aa3ad'

# In the units of the view box.
_WIDTH, _NAMES, _VALUES, _BAR, _TITLE = 900, 260, 150, 24, 44
_STYLE = 'font-family="sans-serif" font-size="13" fill="#333"'


class _Part(NamedTuple):
    """A segment of a bar: its length in ms, colour and tooltip."""

    milliseconds: float
    color: str
    title: str


class _Bar(NamedTuple):
    """A row of a chart."""

    name: str
    parts: Sequence[_Part]
    value: str


def check_chart_path(path: Path) -> None:
    """Checks the extension of the chart file.

    Raises:
        UserError: It is not .svg.
    """
    if path.suffix.lower() != '.svg':
        raise UserError(f'{path}: the chart is an SVG file: give a name that ends in .svg')


def write_chart(path: Path, figures: Mapping[str, Any]) -> None:
    """Draws the time per frame of all candidates, and the stages of ours.

    Raises:
        UserError: The file cannot be written.
    """
    sections = [
        ('frame to labels, median (ms)', _comparison(figures['comparison'])),
        ('message to messages, medians of the stages (ms)', _stages(figures['stages'])),
    ]
    height, parts = 0.0, []
    for title, bars in sections:
        parts.append(f'<g transform="translate(0 {height:g})">{_section(title, bars)}</g>')
        height += _TITLE + _BAR * len(bars)
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height + 12:g}" '
        f'{_STYLE}><rect width="100%" height="100%" fill="white"/>{"".join(parts)}</svg>\n'
    )
    with file_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(svg, encoding='utf-8')


def _comparison(candidates: Sequence[Mapping[str, Any]]) -> list[_Bar]:
    return [
        _Bar(
            one['name'],
            [_Part(one['p50_ms'], _OURS if one['ours'] else _THEIRS, one['name'])],
            f'{one["p50_ms"]:.1f}, {one["times_faster"]:.1f} x',
        )
        for one in candidates
    ]


def _stages(candidates: Mapping[str, Mapping[str, Any]]) -> list[_Bar]:
    bars = []
    for name, stages in candidates.items():
        medians = {stage: times['p50_ms'] for stage, times in stages.items()}
        total = medians.pop('total')
        parts = [
            _Part(median, COLORS[index % len(COLORS)], f'{stage}: {median:.2f} ms')
            for index, (stage, median) in enumerate(medians.items())
        ]
        bars.append(_Bar(name, parts, f'{total:.1f}'))
    return bars


def _section(title: str, bars: Sequence[_Bar]) -> str:
    """Returns a titled chart of horizontal bars, scaled so that the longest fills the width."""
    longest = max(sum(part.milliseconds for part in bar.parts) for bar in bars)
    scale = (_WIDTH - _NAMES - _VALUES) / longest
    drawn = [f'<text x="12" y="28" font-weight="bold">{html.escape(title)}</text>']
    for index, bar in enumerate(bars):
        top, x = _TITLE + _BAR * index, float(_NAMES)
        drawn.append(
            f'<text x="{_NAMES - 8}" y="{top + 14}" text-anchor="end">'
            f'{html.escape(bar.name)}</text>'
        )
        for part in bar.parts:
            width = scale * part.milliseconds
            drawn.append(
                f'<rect x="{x:.1f}" y="{top}" width="{width:.1f}" height="{_BAR - 6}" '
                f'fill="{part.color}"><title>{html.escape(part.title)}</title></rect>'
            )
            x += width
        drawn.append(f'<text x="{x + 8:.1f}" y="{top + 14}">{html.escape(bar.value)}</text>')
    return ''.join(drawn)
