# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which bags paths stand for, and where their results go."""

from __future__ import annotations

from pathlib import Path

import pytest

from bisenet_ros.bag.messages import BagError
from bisenet_ros.replay.many.collection import find_bags, is_collection, result_folders


@pytest.fixture
def week(tmp_path: Path) -> Path:
    """A folder of bags: of both days, in every form, and what is none."""
    for file in (
        'monday/drive/metadata.yaml',
        'monday/drive/drive_0.mcap',
        'monday/old.bag',
        'tuesday/drive/drive_0.db3',  # its metadata.yaml is lost
        'tuesday/notes.txt',
        'out/drive/output.mcap',
    ):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    return tmp_path


def test_a_folder_of_bags(week: Path) -> None:
    bags = find_bags([week], apart_from=week / 'out')
    assert [str(bag.relative_to(week)) for bag in bags] == [
        'monday/drive',
        'monday/old.bag',
        'tuesday/drive',
    ]
    assert result_folders(bags) == ['drive', 'old', 'drive_2']


def test_a_bag_counts_once(week: Path) -> None:
    drive = week / 'monday' / 'drive'
    paths = [drive, week / 'monday', week / 'tuesday' / '..' / 'monday' / 'drive']
    assert find_bags(paths, apart_from=week / 'out') == [drive, week / 'monday' / 'old.bag']


@pytest.mark.parametrize('name', ['monday/drive', 'tuesday/drive', 'monday/old.bag', 'nowhere'])
def test_what_is_no_folder_of_bags(week: Path, name: str) -> None:
    assert not is_collection(week / name)
    assert find_bags([week / name], apart_from=week / 'out') == [week / name]


def test_an_empty_folder_is_left_to_be_refused(tmp_path: Path) -> None:
    assert not is_collection(tmp_path)
    assert find_bags([tmp_path], apart_from=tmp_path / 'out') == [tmp_path]


def test_nothing_but_results(week: Path) -> None:
    with pytest.raises(BagError, match='no bags found outside of'):
        find_bags([week / 'out'], apart_from=week / 'out')
