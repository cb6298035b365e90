# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pages that are to stand alone: their elements, and what a real browser makes of them."""

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
    """A page's elements, and its text.

    Attributes:
        tags: Names and attributes.
        text: All of it.
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
        """How many elements there are of a name."""
        return sum(name == tag for name, _ in self.tags)

    def check_that_it_stands_alone(self) -> None:
        """All is closed, nothing runs, nothing is loaded, and links lead to places in it."""
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
    """(2000, 1000, 3) BGR: a page in a browser without network, whose console has to stay empty.

    Skips the test where there is no Chromium.
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
    """How many pixels have a colour, but for the last rounding."""
    return int((np.abs(image.astype(int) - bgr).max(axis=2) <= 2).sum())
