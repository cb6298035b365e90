# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Image files in folders, by the part of their name that image and labels have in common."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from bisenet_training.datasets.image_file import IMAGE_SUFFIXES
from bisenet_training.datasets.sample import DatasetError


def files_by_stem(folder: Path, ending: str = '') -> dict[str, Path]:
    """The image files in a folder and its subfolders, also where these are links.

    Hidden files and folders are left out: systems and editors put copies and notes there.

    Args:
        folder: Where to look.
        ending: Take only files whose name ends so, its suffix apart, and drop that from the key.

    Returns:
        Paths by their place in the folder without ending and suffix: 'aachen/aachen_000000_000019'.

    Raises:
        DatasetError: There is no such folder, or two files differ in the suffix alone.
    """
    if not folder.is_dir():
        raise DatasetError(f'there is no folder {folder}')
    files: dict[str, Path] = {}
    for path in sorted(_files(folder)):
        if path.suffix.lower() not in IMAGE_SUFFIXES or not path.stem.endswith(ending):
            continue
        key = path.relative_to(folder).with_suffix('').as_posix().removesuffix(ending)
        if key in files:
            raise DatasetError(f'{path} and {files[key].name} differ in the suffix alone')
        files[key] = path
    return files


def _files(folder: Path) -> Iterator[Path]:
    seen: set[Path] = set()  # links may lead back to where they are
    for place, folders, names in os.walk(folder, followlinks=True):
        real = Path(place).resolve()
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not name.startswith('.')]
        yield from (Path(place, name) for name in names if not name.startswith('.'))


def read_list(path: Path) -> list[str]:
    """The lines of a text file, without empty ones and those that begin with #.

    Raises:
        DatasetError: It cannot be read, or nothing is left.
    """
    try:
        text = path.read_text(encoding='utf-8-sig')  # Windows puts a mark first
    except OSError as error:
        raise DatasetError(f'cannot read {path}: {error.strerror}') from error
    except UnicodeDecodeError as error:
        raise DatasetError(f'{path} is not UTF-8 text') from error
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith('#')]
    if not lines:
        raise DatasetError(f'{path} names nothing')
    return lines
