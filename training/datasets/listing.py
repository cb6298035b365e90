# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Lists image files by the part of the name that images and labels share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from bisenet_ros.media import IMAGE_SUFFIXES
from bisenet_training.datasets.sample import DatasetError


def files_by_stem(folder: Path, ending: str = '') -> dict[str, Path]:
    """Returns the image files in a folder and its subfolders, following symbolic links.

    Hidden files and folders are skipped.

    Args:
        folder: The folder.
        ending: List only files whose stem ends with this, and remove it from the key.

    Returns:
        Paths, keyed by relative path without ending and suffix: 'aachen/aachen_000000_000019'.

    Raises:
        DatasetError: A folder does not exist or cannot be read, two files differ only in the
            suffix, or no file has the ending.
    """
    if not os.path.isdir(folder):
        raise DatasetError(f'no such folder: {folder}')
    files: dict[str, Path] = {}
    try:
        found = sorted(_files(folder, ()))
    except OSError as error:
        raise DatasetError(f'{error.filename}: {error.strerror}') from error
    for path in found:
        if path.suffix.lower() not in IMAGE_SUFFIXES or not path.stem.endswith(ending):
            continue
        key = path.relative_to(folder).with_suffix('').as_posix().removesuffix(ending)
        if key in files:
            raise DatasetError(
                f'{path} and {files[key].name} differ only in the suffix: remove one of them'
            )
        files[key] = path
    if ending and not files:
        raise DatasetError(f'no image in {folder} has a name that ends with {ending}')
    return files


def _files(folder: Path, above: tuple[Path, ...]) -> Iterator[Path]:
    """Yields the files of a folder whose real parents are `above`; links may form loops."""
    real = folder.resolve()
    if real in above:
        return
    for path in folder.iterdir():
        if path.name.startswith('.'):
            continue
        if path.is_dir():
            yield from _files(path, (*above, real))
        else:
            yield path


def read_list(path: Path) -> list[str]:
    """Returns the lines of a text file, without empty lines and lines that start with #.

    Raises:
        DatasetError: The file cannot be read, or has no such lines.
    """
    try:
        text = path.read_text(encoding='utf-8-sig')  # skips the byte order mark of Windows
    except OSError as error:
        raise DatasetError(f'cannot read {path}: {error.strerror}') from error
    except UnicodeDecodeError as error:
        raise DatasetError(f'{path} is not UTF-8 text') from error
    except ValueError as error:  # a null character in the path
        raise DatasetError(f'cannot read {path}: {error}') from error
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith('#')]
    if not lines:
        raise DatasetError(f'{path} is empty')
    return lines
