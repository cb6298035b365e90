# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reads ground truth from a folder of label images that are named after the frames of a bag."""

from __future__ import annotations

import re
from pathlib import Path

from bisenet_ros.media import IMAGE_SUFFIXES, MediaError, list_files, natural_key


class LabelsFolder:
    """The label images of one camera's frames.

    The last number in a file name is the stamp of the frame in nanoseconds, or its number in the
    bag: `1700000000100000000.png` or `drive_000012_labels.png`. Frames may be left out.

    Args:
        path: The folder.

    Raises:
        MediaError: The folder does not exist, has no label images, or has a file name without a
            number or with the same number as another.
    """

    def __init__(self, path: Path) -> None:
        self._files: dict[int, Path] = {}
        for file in list_files(path, IMAGE_SUFFIXES):
            numbers = re.findall('[0-9]+', file.stem)
            if not numbers:
                raise MediaError(f'{file}: the name has no number that identifies the frame')
            number = int(numbers[-1])
            if number in self._files:
                raise MediaError(f'{file}: the same number as {self._files[number].name}')
            self._files[number] = file
        if not self._files:
            raise MediaError(f'{path}: no label images in this folder')
        self._path = path
        self._unclaimed = set(self._files.values())

    def file_of(self, index: int, stamp: int) -> Path | None:
        """Returns the label image of a frame, by its stamp in nanoseconds, else by its number."""
        file = self._files.get(stamp) or self._files.get(index)
        if file is not None:
            self._unclaimed.discard(file)
        return file

    def problems(self) -> list[str]:
        """Returns problems after `file_of` was called for all frames; none if all files matched."""
        if not self._unclaimed:
            return []
        first = min(self._unclaimed, key=natural_key).name
        return [
            f'{self._path}: {len(self._unclaimed)} of {len(self._files)} label images belong to no '
            f'frame; first: {first}'
        ]
