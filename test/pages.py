# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parses self-contained pages, and renders them in a real browser."""

from __future__ import annotations

import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

CHROMIUM = next(
    filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None
)


class Page(HTMLParser):
    """The elements and the text of a page.

    Attributes:
        tags: Name and attributes of each element.
        text: The text of all elements.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ''
        self._open: list[str] = []
        self._source = path.read_text(encoding='utf-8')
        self.feed(self._source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ('meta', 'img'):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def count(self, tag: str) -> int:
        """Returns the number of elements with a name."""
        return sum(name == tag for name, _ in self.tags)

    def check_that_it_stands_alone(self) -> None:
        """Asserts closed tags, no scripts, nothing to load, and only links within the page."""
        assert self._open == []
        names = {name for name, _ in self.tags}
        assert names.isdisjoint({'script', 'link', 'iframe', 'object'})
        ids = {attributes['id'] for _, attributes in self.tags if 'id' in attributes}
        for tag, attributes in self.tags:
            source, target = attributes.get('src'), attributes.get('href')
            assert source is None or source.startswith('data:image/jpeg;base64,')
            assert target is None or target.removeprefix('#') in ids, tag
        assert 'url(' not in self._source
        assert '@import' not in self._source


def screenshot(page: Path, folder: Path) -> npt.NDArray[np.uint8]:
    """Renders a page, (2000, 1000, 3) BGR, in a browser without network; its console must be empty.

    Skips the test if Chromium is not installed.
    """
    if CHROMIUM is None:
        pytest.skip('needs Chromium')
    shot = folder / 'shot.png'
    command = [
        CHROMIUM, '--headless', '--no-sandbox', '--disable-gpu', '--window-size=1000,2000',
        f'--user-data-dir={folder / "profile"}', '--host-resolver-rules=MAP * ~NOTFOUND',
        '--enable-logging=stderr', f'--screenshot={shot}', page.as_uri(),
    ]  # fmt: skip
    result = subprocess.run(command, capture_output=True, text=True, timeout=240, check=True)
    assert 'CONSOLE' not in result.stderr
    image = cv2.imread(str(shot))
    assert image is not None
    assert image.shape == (2000, 1000, 3)
    return np.asarray(image, np.uint8)


def pixels_of(image: npt.NDArray[np.uint8], bgr: tuple[int, int, int]) -> int:
    """Counts the pixels of a colour, within 2 levels per channel."""
    return int((np.abs(image.astype(int) - bgr).max(axis=2) <= 2).sum())
