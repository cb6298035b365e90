# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is written for people: links lead somewhere, and sources name their licence."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(ROOT.glob('*.md'))
SOURCES = [
    path
    for folder in ('benchmarks', 'bisenet_ros', 'build_support', 'launch', 'test', 'training')
    for pattern in ('*.py', '*.c', '*.h')
    for path in sorted((ROOT / folder).rglob(pattern))
    if path.parent != ROOT / 'bisenet_ros/msg'  # generated
]


def anchors(page: Path) -> set[str]:
    """What GitHub calls the headings of a page."""
    headings = re.findall(r'^#+ (.+)$', page.read_text(), re.MULTILINE)
    words = (re.sub(r'[^\w -]', '', heading).strip().lower() for heading in headings)
    return {heading.replace(' ', '-') for heading in words}


def test_docs_build_as_a_site_without_a_dead_link(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, '-m', 'mkdocs', 'build', '--site-dir', tmp_path / 'site'],
        cwd=ROOT,
        env=os.environ | {'NO_MKDOCS_2_WARNING': '1'},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / 'site/index.html').is_file()


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_links_lead_to_what_is_there(page: Path) -> None:
    for link in re.findall(r'\]\(([^)\s]+)\)', page.read_text()):
        if re.match(r'https?://|mailto:', link):
            continue
        name, _, anchor = link.partition('#')
        target = page.parent / name if name else page
        assert target.exists(), f'{page.name} links to {link}'
        if anchor:
            assert anchor in anchors(target), f'{page.name} links to {link}'


def test_the_tests_of_injected_faults_exist() -> None:
    faults, _, _ = (ROOT / 'docs/reliability.md').read_text().partition('## Hostile input')
    last_cells = re.findall(r'\| ([^|]+) \|$', faults, re.MULTILINE)
    named = 0
    for cell in last_cells:
        file = 'test_faults.py'
        for other, name in re.findall(r'(test_\w+\.py)?,? ?`(\w+)`', cell):
            file, named = other or file, named + 1
            sources = [path.read_text() for path in (ROOT / 'test').rglob(file)]
            assert any(re.search(rf'def test_\w*{name}', text) for text in sources), (file, name)
    assert named


def test_every_source_names_its_licence() -> None:
    unnamed = [
        str(path.relative_to(ROOT))
        for path in SOURCES
        if 'SPDX-License-Identifier: Apache-2.0' not in path.read_text()[:300]
    ]
    assert SOURCES
    assert not unnamed
