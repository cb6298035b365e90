# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""report.html stands alone: no script, nothing loaded, and a real browser shows it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pages import Page, pixels_of, screenshot
from small_bags import Entry, drive, picture, write_bag
from tiny_checkpoint import save_tiny_checkpoint

from bisenet_ros.bag.reader import ReplayBag
from bisenet_ros.label_space import CAMVID
from bisenet_ros.replay.measure.run import replay
from bisenet_ros.segmenter import Segmenter
from bisenet_ros.settings import Settings


def report(bag: Path, weights: Path, segmenter: Segmenter, output: Path) -> Path:
    output.mkdir()
    replay(ReplayBag(bag), segmenter, Settings(), output, lambda: None)
    return output / 'report.html'


@pytest.fixture
def path(tmp_path: Path, weights: Path, segmenter: Segmenter) -> Path:
    bag = write_bag(tmp_path / 'a <bag>', drive(9))
    return report(bag, weights, segmenter, tmp_path / 'out')


def test_it_needs_nothing_beside_it(path: Path) -> None:
    Page(path).check_that_it_stands_alone()


def test_it_has_every_part(path: Path) -> None:
    page = Page(path)
    assert 'Complete 9 of 9 frames were evaluated, 9 of them against ground truth' in page.text
    assert 'a <bag>' in page.text
    for title in ('Over time', 'Classes', 'Calibration', 'Confusion', 'Frames', 'Cameras'):
        assert title in page.text
    images = [attributes['alt'] or '' for tag, attributes in page.tags if tag == 'img']
    assert len(images) in (3 * 7, 3 * 8)  # the slowest may be one of the worst
    assert [alt.partition(',')[0] for alt in images[:3]] == ['camera', 'segmented', 'truth']
    # Marks on each time line lead to the frames that are shown.
    links = [attributes['href'] for tag, attributes in page.tags if tag == 'a']
    assert len(links) == len(images)
    places = {f'#{attributes["id"]}' for tag, attributes in page.tags if 'id' in attributes}
    assert set(links) == places
    assert len(places) == len(images) // 3
    # 3 time lines and the reliability diagram
    assert page.count('svg') == 4


def test_names_with_html_are_shown_as_text(tmp_path: Path) -> None:
    hostile = '"><script>'
    label_space = replace(CAMVID, names=(hostile, *CAMVID.names[1:]))
    weights = save_tiny_checkpoint(tmp_path / 'tiny.safetensors', label_space)
    bag = write_bag(tmp_path / 'bag', drive(2, f'/{hostile}'))
    output = tmp_path / 'out'
    page = Page(report(bag, weights, Segmenter.load(weights, device='cpu'), output))
    page.check_that_it_stands_alone()
    assert page.text.count(hostile) >= 4  # a class in two tables, a topic beside each frame
    places = {attributes['id'] for _, attributes in page.tags if 'id' in attributes}
    assert places == {f'frame-{hostile}-image-{frame}' for frame in range(2)}


def test_both_ids_for_no_class_are_drawn_alike(
    tmp_path: Path, weights: Path, segmenter: Segmenter
) -> None:
    drawn = []
    for name, no_class in (('ignore', 255), ('after_the_last', len(CAMVID))):
        entries = [
            entry._replace(pixels=np.where(entry.pixels == 255, no_class, entry.pixels))
            if entry.encoding == 'mono8'
            else entry
            for entry in drive(1)
        ]
        bag = write_bag(tmp_path / name, entries)
        page = Page(report(bag, weights, segmenter, tmp_path / f'out_{name}'))
        drawn += [one['src'] for tag, one in page.tags if tag == 'img' and 'truth,' in str(one)]
    assert len(drawn) == 2
    assert drawn[0] == drawn[1]


def test_without_truth_the_page_says_so(
    tmp_path: Path, weights: Path, segmenter: Segmenter
) -> None:
    bag = write_bag(tmp_path / 'bag', drive(2, truth=False))
    page = Page(report(bag, weights, segmenter, tmp_path / 'out'))
    assert 'The bag has no ground truth' in page.text
    assert 'Confusion' not in page.text
    assert page.count('img') == 2 * 2


def test_without_a_frame_the_page_says_why(
    tmp_path: Path, weights: Path, segmenter: Segmenter
) -> None:
    bag = write_bag(tmp_path / 'bag', [Entry('/image', 5, picture(0), '<xyz>')])
    page = Page(report(bag, weights, segmenter, tmp_path / 'out'))
    assert 'Partial 0 of 1 frames were evaluated' in page.text
    assert "encoding '<xyz>' is not supported" in page.text


def test_a_browser_shows_it(path: Path, tmp_path: Path) -> None:
    image = screenshot(path, tmp_path)
    # White paper, the badge's green, and the blue of the lines.
    for bgr in ((255, 255, 255), (0x4C, 0x8A, 0x1F), (0xD8, 0x7E, 0x2F)):
        assert pixels_of(image, bgr) > 100
