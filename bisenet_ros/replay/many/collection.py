# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Finds bags in folders, and names the result folder of each."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from bisenet_ros.bag.messages import BagError
from bisenet_ros.bag.reader import STORAGES
from bisenet_ros.formatting import distinct
from bisenet_ros.replay.measure.run_result import FRAME_LINES, OUTPUT_BAG

_FILES = (*STORAGES, '.bag', '.bag.active')
"""Extensions of bags, and of files that `ReplayBag` refuses with advice how to repair them."""

_METADATA = 'metadata.yaml'
_RESULTS = {FRAME_LINES, OUTPUT_BAG}
"""Files by which the results of a replay, even of an interrupted one, are told from a bag."""


def is_collection(path: Path) -> bool:
    """Returns whether a path is a folder that contains bags and is not a bag itself.

    Raises:
        BagError: A folder cannot be read.
    """
    return any(bag != path for bag in _bags_in(path, set()))


def find_bags(paths: Sequence[Path], apart_from: Path) -> list[Path]:
    """Returns the bags among the paths, and those in folders at any depth, each once.

    Hidden files and folders, and results of earlier replays, are left out. Whether the bags can be
    read is not checked here.

    Args:
        paths: Bags, or folders of bags.
        apart_from: A folder that is not searched: the one for the results.

    Raises:
        BagError: No bag was found, one of the paths is in the folder for the results, or a folder
            cannot be read.
    """
    bags: dict[Path, Path] = {}
    results = _real(apart_from)
    for path in paths:
        if _real(path).is_relative_to(results):
            raise BagError(f'{path} is in the folder for the results: choose another output folder')
        for bag in _bags_in(path, set()) if is_collection(path) else [path]:
            if not _real(bag).is_relative_to(results):
                bags.setdefault(_real(bag), bag)
    if not bags:
        raise BagError(f'{", ".join(map(str, paths))}: no bags found outside of {apart_from}')
    return list(bags.values())


def result_folders(bags: Sequence[Path]) -> list[str]:
    """Returns a folder name for each bag: the name of the bag, with a number if it is taken."""
    resolved = [_real(bag) for bag in bags]
    return distinct(one.name if os.path.isdir(one) else one.stem for one in resolved)


def _real(path: Path) -> Path:
    """Returns the path without links, even if they lead nowhere."""
    return Path(os.path.realpath(path))


def _bags_in(folder: Path, seen: set[Path]) -> Iterator[Path]:
    """Yields the bags in a folder by path; none if it is not a folder, or has a metadata.yaml.

    Without metadata.yaml, every storage file is a bag, even if it must first be decompressed or
    repaired; but not if its decompressed form lies beside it. For several files that are parts of
    one recording, the folder is yielded instead, though it must first be repaired.

    Args:
        folder: The folder.
        seen: The folders that were searched before, without links; extended here.

    Raises:
        BagError: A folder cannot be read.
    """
    try:
        if not folder.is_dir() or _real(folder) in seen:
            return
        seen.add(_real(folder))
        entries = sorted(one for one in folder.iterdir() if not one.name.startswith('.'))
        folders = {one for one in entries if one.is_dir()}
        bags = {one for one in folders if (one / _METADATA).is_file()}
    except OSError as error:
        raise BagError(f'{error.filename or folder}: {error.strerror or error}') from error
    names = {one.name for one in entries}
    if _METADATA in names:
        return
    results = _RESULTS if names >= _RESULTS else set()
    files = {
        one
        for one in entries
        if one.name.endswith(_FILES)
        and one not in folders
        and one.name not in results
        and not (one.suffix == '.zstd' and one.stem in names)
    }
    recordings = Counter(map(_recording_of, files))
    if any(count > 1 for count in recordings.values()):
        yield folder
    for entry in entries:
        if entry in bags:
            yield entry
        elif entry in folders:
            yield from _bags_in(entry, seen)
        elif entry in files and recordings[_recording_of(entry)] == 1:
            yield entry


def _recording_of(file: Path) -> str:
    """Returns the name that parts of a recording share: `drive.db3` of `drive_0.db3.zstd`."""
    return re.sub(r'_[0-9]+(?=\.(mcap|db3)$)', '', file.name.removesuffix('.zstd'))
