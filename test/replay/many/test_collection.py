# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which bags paths stand for, and where their results go."""

from __future__ import annotations

from pathlib import Path

import pytest
from permissions import permissions_count

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
        'tuesday/split/split_0.mcap',  # as here
        'tuesday/split/split_1.mcap',
        'tuesday/packed/p_0.mcap.zstd',  # and here
        'tuesday/packed/p_1.mcap',
        'wednesday/a.mcap',
        'wednesday/a.mcap.zstd',  # was decompressed
        'wednesday/alone.db3.zstd',
        'wednesday/b_1.mcap',
        'wednesday/c/metadata.yaml',
        'wednesday/c/c_0.mcap',
        'wednesday/crashed.bag.active',
        'wednesday/d_0.bag',  # whole by itself
        'wednesday/d_1.bag',
        'wednesday/notes.txt.zstd',
        'wednesday/.output.x/output/output.mcap',  # of a replay that was killed
        'wednesday/old/output.mcap',  # of one that was interrupted later
        'wednesday/old/frames.jsonl',
        'out/drive/output.mcap',
    ):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    return tmp_path


def test_all_bags_in_a_folder_are_found_and_have_result_folders(week: Path) -> None:
    bags = find_bags([week], apart_from=week / 'out')
    assert [str(bag.relative_to(week)) for bag in bags] == [
        'monday/drive',
        'monday/old.bag',
        'tuesday/drive/drive_0.db3',
        'tuesday/packed',
        'tuesday/split',
        'wednesday/a.mcap',
        'wednesday/alone.db3.zstd',
        'wednesday/b_1.mcap',
        'wednesday/c',
        'wednesday/crashed.bag.active',
        'wednesday/d_0.bag',
        'wednesday/d_1.bag',
    ]
    assert result_folders(bags)[:6] == ['drive', 'old', 'drive_0', 'packed', 'split', 'a']
    assert result_folders([bags[0], *bags[:2]]) == ['drive', 'drive_2', 'old']


def test_folders_that_are_linked_in_circles_are_searched_once(week: Path) -> None:
    for name in ('up', 'again'):
        (week / 'monday' / name).symlink_to(week)
        (week / 'tuesday' / name).symlink_to(week)
    bags = find_bags([week], apart_from=week / 'out')
    assert len(bags) == len({bag.resolve() for bag in bags}) == 12
    endless = week / 'endless.mcap'  # left to be refused
    endless.symlink_to(endless)
    assert find_bags([endless, week / 'monday'], apart_from=week / 'out')[0] == endless
    assert endless in find_bags([week], apart_from=week / 'out')


def test_a_folder_that_may_not_be_read_is_named(week: Path) -> None:
    for mode in (0, 0o600):  # neither listed nor entered; only listed
        (week / 'tuesday').chmod(mode)
        with permissions_count(), pytest.raises(BagError, match=r'/tuesday.*: Permission denied'):
            find_bags([week], apart_from=week / 'out')


def test_bags_beside_the_results_of_an_earlier_replay_are_found(week: Path) -> None:
    for name in ('frames.jsonl', 'output.mcap'):
        (week / 'monday' / name).touch()
    assert is_collection(week / 'monday')
    for path in (week, week / 'monday'):
        found = find_bags([path], apart_from=week / 'out')
        assert found[:2] == [week / 'monday' / 'drive', week / 'monday' / 'old.bag']
        assert week / 'monday' / 'output.mcap' not in found


def test_a_bag_counts_once(week: Path) -> None:
    drive = week / 'monday' / 'drive'
    paths = [drive, week / 'monday', week / 'tuesday' / '..' / 'monday' / 'drive']
    assert find_bags(paths, apart_from=week / 'out') == [drive, week / 'monday' / 'old.bag']


@pytest.mark.parametrize(
    'name',
    [
        'monday/drive',
        'tuesday/split',
        'tuesday/packed',
        'monday/old.bag',
        'wednesday/old',
        'nowhere',
    ],
)
def test_a_bag_is_no_folder_of_bags(week: Path, name: str) -> None:
    assert not is_collection(week / name)
    assert find_bags([week / name], apart_from=week / 'out') == [week / name]


def test_an_empty_folder_is_left_to_be_refused(tmp_path: Path) -> None:
    assert not is_collection(tmp_path)
    assert find_bags([tmp_path], apart_from=tmp_path / 'out') == [tmp_path]


def test_a_folder_with_nothing_but_results_is_refused(tmp_path: Path) -> None:
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out' / 'drive.mcap').touch()
    with pytest.raises(BagError, match='no bags found outside of'):
        find_bags([tmp_path], apart_from=tmp_path / 'out')


def test_a_bag_in_the_folder_for_the_results_is_refused(week: Path) -> None:
    for name in ('monday/drive', 'monday'):
        with pytest.raises(BagError, match=f'{name} is in the folder for the results: choose'):
            find_bags([week / name, week / 'tuesday'], apart_from=week / 'monday')
