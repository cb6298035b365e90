# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""report.html stands alone: no script, nothing loaded, and a real browser shows it."""

from __future__ import annotations

import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
from small_bags import Entry, drive, picture, write_bag

from bisenet_ros.replay.reader import ReplayBag
from bisenet_ros.replay.run import replay
from bisenet_ros.segmenter import Segmenter

CHROMIUM = next(
    filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None
)


class Page(HTMLParser):
    """A page's elements, and its text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ''
        self.feed(path.read_text(encoding='utf-8'))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ('meta', 'img'):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def report(bag: Path, weights: Path, segmenter: Segmenter, output: Path) -> Path:
    output.mkdir()
    replay(ReplayBag(bag), segmenter, str(weights), output, lambda: None)
    return output / 'report.html'


@pytest.fixture
def path(tmp_path: Path, weights: Path, segmenter: Segmenter) -> Path:
    bag = write_bag(tmp_path / 'a <bag>', drive(9))
    return report(bag, weights, segmenter, tmp_path / 'out')


def test_it_needs_nothing_beside_it(path: Path) -> None:
    page = Page(path)
    assert page.open == []
    names = {name for name, _ in page.tags}
    assert names.isdisjoint({'script', 'link', 'iframe', 'object'})
    ids = {attributes['id'] for _, attributes in page.tags if 'id' in attributes}
    for tag, attributes in page.tags:
        source, target = attributes.get('src'), attributes.get('href')
        assert source is None or source.startswith('data:image/jpeg;base64,')
        assert target is None or target.removeprefix('#') in ids, tag
    assert 'url(' not in path.read_text()
    assert '@import' not in path.read_text()


def test_it_has_every_part(path: Path) -> None:
    page = Page(path)
    assert 'Complete 9 of 9 frames were evaluated, 9 of them against the truth' in page.text
    assert 'a <bag>' in page.text
    for title in ('Over time', 'Classes', 'Calibration', 'Confusion', 'Frames', 'Cameras'):
        assert title in page.text
    images = [attributes['alt'] or '' for tag, attributes in page.tags if tag == 'img']
    assert len(images) == 3 * 7
    assert [alt.partition(',')[0] for alt in images[:3]] == ['camera', 'segmented', 'truth']
    # 3 time lines and the reliability diagram
    assert [tag for tag, _ in page.tags].count('svg') == 4


def test_without_truth(tmp_path: Path, weights: Path, segmenter: Segmenter) -> None:
    bag = write_bag(tmp_path / 'bag', drive(2, truth=False))
    page = Page(report(bag, weights, segmenter, tmp_path / 'out'))
    assert 'The bag has no truth' in page.text
    assert 'Confusion' not in page.text
    assert [tag for tag, _ in page.tags].count('img') == 2 * 2


def test_without_a_frame(tmp_path: Path, weights: Path, segmenter: Segmenter) -> None:
    bag = write_bag(tmp_path / 'bag', [Entry('/image', 5, picture(0), '<xyz>')])
    page = Page(report(bag, weights, segmenter, tmp_path / 'out'))
    assert 'Partial 0 of 1 frames were evaluated' in page.text
    assert "encoding '<xyz>' is not supported" in page.text


@pytest.mark.skipif(CHROMIUM is None, reason='needs Chromium')
def test_a_browser_shows_it(path: Path, tmp_path: Path) -> None:
    assert CHROMIUM is not None
    shot = tmp_path / 'shot.png'
    command = [
        CHROMIUM, '--headless', '--no-sandbox', '--disable-gpu', '--window-size=1000,2000',
        f'--user-data-dir={tmp_path / "profile"}', '--host-resolver-rules=MAP * ~NOTFOUND',
        '--enable-logging=stderr', f'--screenshot={shot}', path.as_uri(),
    ]  # fmt: skip
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert 'CONSOLE' not in result.stderr
    image = cv2.imread(str(shot))
    assert image is not None
    assert image.shape == (2000, 1000, 3)
    # White paper, the badge's green, and the blue of the lines.
    for bgr in ((255, 255, 255), (0x4C, 0x8A, 0x1F), (0xD8, 0x7E, 0x2F)):
        assert (np.abs(image.astype(int) - bgr).max(axis=2) <= 2).sum() > 100
