# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Charts: points where the numbers are, and no more of them than a screen shows."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from bisenet_ros.metrics.calibration import Bin
from bisenet_ros.replay.report.charts import (
    Mark,
    Series,
    legend,
    reliability_diagram,
    round_up,
    time_line,
)


def points(svg: str) -> list[tuple[float, float]]:
    """What the first line of a chart goes through."""
    (line,) = (e for e in ElementTree.fromstring(svg).iter('path') if e.get('class') == 'line')
    return [(float(x), float(y)) for x, y in re.findall('([0-9.]+) ([0-9.]+)', line.get('d', ''))]


def line(values: np.ndarray) -> Series:
    return Series('/image', np.arange(len(values)) / 10, values.astype(np.float64))


def test_a_line_goes_through_its_values() -> None:
    svg = time_line('test', [line(np.array([0.0, 2.0, 1.0]))], [], '{:g}'.format)
    (x0, bottom), (x1, top), (x2, middle) = points(svg)
    assert x1 - x0 == pytest.approx(x2 - x1)
    assert middle == pytest.approx((bottom + top) / 2)
    assert re.findall('text-anchor="end">([^<]*)<', svg) == ['0', '1', '2']


def test_the_time_axis_has_the_times_of_the_frames() -> None:
    times = np.array([61.0, 65.0, 69.0])  # as of a replay whose first minute has no frame
    svg = time_line('test', [Series('/image', times, np.ones(3))], [], '{:g}'.format)
    (x0, _), (x1, _), (x2, _) = points(svg)
    axis = re.findall('x="([0-9.]+)" [^>]*"middle">([^<]*) s<', svg)
    assert [float(time) for _, time in axis] == list(range(61, 70))
    at = {float(time): float(x) for x, time in axis}
    assert (at[61.0], at[65.0], at[69.0]) == (x0, x1, x2)


def test_a_long_drive_is_a_band_that_keeps_its_extremes() -> None:
    values = np.ones(20_000)
    values[12_345] = 2.0
    svg = time_line('test', [line(values)], [], '{:g}'.format)
    assert len(points(svg)) == 500
    assert len(svg) < 40_000
    (band,) = (e for e in ElementTree.fromstring(svg).iter('path') if e.get('opacity') == '.25')
    heights = {float(y) for _, y in re.findall('([0-9.]+) ([0-9.]+)', band.get('d', ''))}
    assert len(heights) == 2


def test_marks_lead_to_their_places() -> None:
    mark = Mark(0.1, 2.0, 'worst: <here>', 'frame-1', 'worst')
    svg = time_line('test', [line(np.array([0.0, 2.0]))], [mark], '{:g}'.format)
    (link,) = ElementTree.fromstring(svg).iter('a')
    assert link.get('href') == '#frame-1'
    assert 'worst: <here>' in ''.join(link.itertext())
    circle = link.find('circle')
    assert circle is not None
    assert (float(circle.get('cx', '')), float(circle.get('cy', ''))) == points(svg)[1]


@pytest.mark.parametrize('values', [np.zeros(1), np.array([3.0]), np.zeros(5)])
def test_a_line_of_one_value_or_of_zeros_can_be_drawn(values: np.ndarray) -> None:
    ElementTree.fromstring(time_line('test', [line(values)], [], '{:g}'.format))


def test_the_reliability_diagram_shows_accuracy_over_confidence() -> None:
    svg = reliability_diagram([Bin(0.25, 0.25, 10), Bin(0.75, 1.0, 30)])
    small, large = ElementTree.fromstring(svg).iter('circle')
    assert float(small.get('r', '')) < float(large.get('r', ''))
    (x0, y0), (x1, y1) = points(svg)
    assert (x1 - x0) / (y0 - y1) == pytest.approx(0.5 / 0.75)
    names = {text.text for text in ElementTree.fromstring(svg).iter('text')}
    assert names == {'confidence', 'share of correct labels', '0', '0.5', '1'}


def test_a_single_line_needs_no_legend() -> None:
    assert legend(['/image']) == ''
    assert '/rear' in legend(['/front', '/rear'])


@pytest.mark.parametrize(
    ('value', 'rounded'), [(0, 1), (5e-324, 1), (0.3, 0.5), (1, 1), (23, 25), (51, 100)]
)
def test_the_axis_ends_at_the_next_round_number(value: float, rounded: float) -> None:
    assert round_up(value) == rounded
