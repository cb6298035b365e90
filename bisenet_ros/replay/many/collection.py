# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Many bags at once: which they are, and where the results of each go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from bisenet_ros.bag.messages import BagError

_STORAGES = ('*.mcap', '*.db3')


def is_collection(path: Path) -> bool:
    """Whether a path is a folder of bags, and not itself a bag."""
    return next(_bags_in(path), None) is not None


def find_bags(paths: Sequence[Path], apart_from: Path) -> list[Path]:
    """The bags that paths stand for, each once: bags, and those in folders of bags at any depth.

    Whether a path is a bag that can be read shows when it is read.

    Args:
        paths: As a user gives them.
        apart_from: A folder in which nothing is looked for: that of the results.

    Raises:
        BagError: There is none.
    """
    bags: dict[Path, Path] = {}
    for path in paths:
        for bag in _bags_in(path) if is_collection(path) else [path]:
            if not bag.resolve().is_relative_to(apart_from.resolve()):
                bags.setdefault(bag.resolve(), bag)
    if not bags:
        raise BagError(f'{", ".join(map(str, paths))}: no bags apart from those in {apart_from}')
    return list(bags.values())


def result_folders(bags: Sequence[Path]) -> list[str]:
    """The name of a folder for each bag: the bag's own, with a number where it is taken."""
    names: list[str] = []
    for bag in bags:
        resolved = bag.resolve()
        stem = resolved.name if resolved.is_dir() else resolved.stem
        name, number = stem, 1
        while name in names:
            number += 1
            name = f'{stem}_{number}'
        names.append(name)
    return names


def _bags_in(folder: Path) -> Iterator[Path]:
    """The bags in a folder, by path; none if it is no folder, or is itself a bag."""
    if not folder.is_dir() or _is_bag(folder):
        return
    for entry in sorted(folder.iterdir()):
        if entry.suffix == '.bag' or (entry.is_dir() and _is_bag(entry)):
            yield entry
        else:
            yield from _bags_in(entry)


def _is_bag(folder: Path) -> bool:
    """Whether a folder is a rosbag2, be it one whose metadata.yaml is lost."""
    return (folder / 'metadata.yaml').is_file() or any(
        next(folder.glob(pattern), None) for pattern in _STORAGES
    )
