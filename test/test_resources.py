# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from bisenet_ros.resources import share_directory


def test_source_tree_holds_its_own_files() -> None:
    assert share_directory() == Path(__file__).parents[1]


@pytest.mark.parametrize(
    'packages',
    ['lib/python3.12/site-packages', 'local/lib/python3.10/dist-packages'],
)
def test_installed_package_finds_its_prefix(tmp_path: Path, packages: str) -> None:
    share = tmp_path / 'share' / 'bisenet_ros'
    share.mkdir(parents=True)
    (share / 'package.xml').touch()
    module = tmp_path / packages / 'bisenet_ros' / 'resources.py'
    assert share_directory(module) == share


def test_package_without_its_files_is_reported(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='install it again'):
        share_directory(tmp_path / 'bisenet_ros' / 'resources.py')
