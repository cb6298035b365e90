# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Draws charts as inline SVG, without scripts or further files."""

from __future__ import annotations

import html
import math
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bisenet_ros.formatting import COLORS, percent
from bisenet_ros.metrics.calibration import Bin

# Size of the time line, in units of its view box.
_WIDTH, _HEIGHT = 1000, 170
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 8, 10, 22
_COLUMNS = 500

_SIDE = 260
"""Side of the reliability diagram, in units of its view box."""

Numbers = npt.NDArray[np.float64]


class Series(NamedTuple):
    """A line: (N,) times in seconds, ascending, and (N,) values."""

    name: str
    times: Numbers
    values: Numbers


class Chart(NamedTuple):
    """A time line as SVG; `legend` names its lines."""

    title: str
    svg: str
    legend: str = ''


class Mark(NamedTuple):
    """A point that links to a part of the page.

    Attributes:
        time: Seconds.
        value: Value on the vertical axis.
        title: Tooltip.
        anchor: Id of the link target.
        style: CSS class.
    """

    time: float
    value: float
    title: str
    anchor: str
    style: str


def time_line(
    title: str,
    series: Sequence[Series],
    marks: Sequence[Mark],
    show: Callable[[float], str],
) -> str:
    """Draws lines over time; the vertical axis starts at 0.

    If there are more frames than columns in the chart, a line shows the mean of each column, within
    a band from minimum to maximum.

    Args:
        title: Text for screen readers.
        series: The lines, each of at least one point.
        marks: Points on them.
        show: Formats a value.
    """
    start = min(float(line.times[0]) for line in series)
    span = max(float(line.times[-1]) for line in series) - start or 1.0
    top = round_up(max(float(line.values.max()) for line in series))

    def x(time: float) -> float:
        return _LEFT + (time - start) / span * (_WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return _HEIGHT - _BOTTOM - value / top * (_HEIGHT - _TOP - _BOTTOM)

    parts = []
    for value in (0.0, top / 2, top):
        parts.append(
            f'<path class="grid" d="M{_LEFT} {y(value):.1f}H{_WIDTH - _RIGHT}"/>'
            f'<text x="{_LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{show(value)}</text>'
        )
    step = round_up(span / 8)
    for index in range(math.ceil(start / step), math.floor((start + span) / step) + 1):
        at = index * step
        parts.append(
            f'<text x="{x(at):.1f}" y="{_HEIGHT - 4}" text-anchor="middle">{at:g} s</text>'
        )
    for line, color in zip(series, _cycle(len(series)), strict=True):
        times, low, mean, high = _columns(line, start, span)
        points = [f'{x(t):.1f} {y(v):.1f}' for t, v in zip(times, mean, strict=True)]
        upper = [f'{x(t):.1f} {y(v):.1f}' for t, v in zip(times, high, strict=True)]
        lower = [f'{x(t):.1f} {y(v):.1f}' for t, v in zip(times, low, strict=True)]
        if len(line.times) > len(times):
            band = 'M' + 'L'.join([*upper, *reversed(lower)]) + 'Z'
            parts.append(f'<path d="{band}" fill="{color}" opacity=".25"/>')
        parts.append(f'<path class="line" d="M{"L".join(points)}" stroke="{color}"/>')
    for mark in marks:
        anchor, shown = html.escape(mark.anchor), html.escape(mark.title)
        parts.append(
            f'<a href="#{anchor}"><circle class="{mark.style}" cx="{x(mark.time):.1f}" '
            f'cy="{y(mark.value):.1f}" r="6"><title>{shown}</title></circle></a>'
        )
    return _svg(title, _WIDTH, _HEIGHT, parts)


def short_percent(share: float) -> str:
    """Formats a fraction for an axis, in percent with as few decimals as possible."""
    return percent(share, None)


def legend(names: Sequence[str]) -> str:
    """Returns the names of the lines with their colours; empty for a single line."""
    if len(names) < 2:
        return ''
    return ' '.join(
        f'<span class="swatch" style="background:{color}"></span>{html.escape(name)}'
        for name, color in zip(names, _cycle(len(names)), strict=True)
    )


def reliability_diagram(curve: Sequence[Bin]) -> str:
    """Draws accuracy over confidence; on the diagonal they are equal.

    The area of a point is proportional to its number of pixels.
    """
    margin, side = 56, _SIDE

    def place(bin: Bin) -> tuple[float, float]:
        return margin + bin.confidence * side, 10 + (1 - bin.accuracy) * side

    parts = [
        f'<path class="grid" d="M{margin} {10 + side}L{margin + side} 10"/>',
        f'<path class="grid" d="M{margin} 10V{10 + side}H{margin + side}"/>',
    ]
    for share in (0.0, 0.5, 1.0):
        across, down = margin + share * side, 10 + (1 - share) * side
        parts.append(
            f'<text x="{across}" y="{side + 26}" text-anchor="middle">{share:g}</text>'
            f'<text x="{margin - 6}" y="{down + 4}" text-anchor="end">{share:g}</text>'
        )
    middle = 10 + side / 2
    parts.append(
        f'<text x="{margin + side / 2}" y="{side + 42}" text-anchor="middle">confidence</text>'
        f'<text x="14" y="{middle}" text-anchor="middle" transform="rotate(-90 14 {middle})">'
        'share of correct labels</text>'
    )
    points = 'L'.join('{:.1f} {:.1f}'.format(*place(bin)) for bin in curve)
    parts.append(f'<path class="line" d="M{points}" stroke="{COLORS[0]}"/>')
    total = sum(bin.pixels for bin in curve)
    for bin in curve:
        across, down = place(bin)
        radius = 2 + 16 * math.sqrt(bin.pixels / total)
        parts.append(
            f'<circle cx="{across:.1f}" cy="{down:.1f}" r="{radius:.1f}" fill="{COLORS[0]}" '
            f'opacity=".5"><title>confidence {bin.confidence:.2f}: {percent(bin.accuracy, 0)} '
            f'right, {percent(bin.pixels / total, 1)} of the pixels</title></circle>'
        )
    return _svg('accuracy over confidence', margin + side + 20, side + 48, parts)


def round_up(value: float) -> float:
    """Rounds up to 1, 2, 2.5 or 5 times a power of ten; 1 if `value` is not positive or tiny."""
    if value < sys.float_info.min:  # the power of ten could be 0
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    steps = (step * power for step in (1, 2, 2.5, 5, 10))
    return next((step for step in steps if step >= value * (1 - 1e-9)), 10 * power)


def _columns(line: Series, start: float, span: float) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """Returns times, minima, means and maxima, at most one of each per column of the chart."""
    if len(line.times) <= _COLUMNS:
        return line.times, line.values, line.values, line.values
    column = ((line.times - start) / span * (_COLUMNS - 1)).astype(np.int64)
    first = np.flatnonzero(np.diff(column, prepend=-1))
    counts = np.diff(first, append=len(column))
    return (
        np.add.reduceat(line.times, first) / counts,
        np.minimum.reduceat(line.values, first),
        np.add.reduceat(line.values, first) / counts,
        np.maximum.reduceat(line.values, first),
    )


def _cycle(count: int) -> list[str]:
    return [COLORS[index % len(COLORS)] for index in range(count)]


def _svg(title: str, width: float, height: float, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{html.escape(title)}">'
        f'{"".join(parts)}</svg>'
    )
