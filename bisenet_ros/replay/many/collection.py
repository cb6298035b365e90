# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Finds bags in folders, and names the result folder of each."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from bisenet_ros.bag.messages import BagError

_STORAGES = ('*.mcap', '*.db3')


def is_collection(path: Path) -> bool:
    """Returns whether a path is a folder that contains bags and is not a bag itself."""
    return next(_bags_in(path), None) is not None


def find_bags(paths: Sequence[Path], apart_from: Path) -> list[Path]:
    """Returns the bags among the paths, and those in folders at any depth, each once.

    Whether they can be read is not checked here.

    Args:
        paths: Bags, or folders of bags.
        apart_from: A folder that is not searched: the one for the results.

    Raises:
        BagError: No bag was found.
    """
    bags: dict[Path, Path] = {}
    for path in paths:
        for bag in _bags_in(path) if is_collection(path) else [path]:
            if not bag.resolve().is_relative_to(apart_from.resolve()):
                bags.setdefault(bag.resolve(), bag)
    if not bags:
        raise BagError(f'{", ".join(map(str, paths))}: no bags found outside of {apart_from}')
    return list(bags.values())


def result_folders(bags: Sequence[Path]) -> list[str]:
    """Returns a folder name for each bag: the name of the bag, with a number if it is taken."""
    names: list[str] = []
    for bag in bags:
        resolved = bag.resolve()
        stem = resolved.name if os.path.isdir(resolved) else resolved.stem
        name, number = stem, 1
        while name in names:
            number += 1
            name = f'{stem}_{number}'
        names.append(name)
    return names


def _bags_in(folder: Path) -> Iterator[Path]:
    """Yields the bags in a folder by path; none if it is not a folder, or is a bag itself."""
    if not os.path.isdir(folder) or _is_bag(folder):
        return
    for entry in sorted(folder.iterdir()):
        if entry.suffix == '.bag' or (entry.is_dir() and _is_bag(entry)):
            yield entry
        else:
            yield from _bags_in(entry)


def _is_bag(folder: Path) -> bool:
    """Returns whether a folder is a rosbag2, with or without metadata.yaml."""
    return (folder / 'metadata.yaml').is_file() or any(
        next(folder.glob(pattern), None) for pattern in _STORAGES
    )
