# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Writes predicted labels of a data set as images."""

from __future__ import annotations

from pathlib import Path

from bisenet_ros.media import write_image
from bisenet_ros.output_files import make_folder
from bisenet_training.evaluation.predictor import Pixels


class LabelImages:
    """Writes the labels of each frame as an 8-bit PNG with the class ids of the data set.

    Args:
        folder: The output folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._written: set[Path] = set()

    def others(self) -> list[Path]:
        """Returns the label images in the folder that were not written now, sorted by name."""
        return sorted(set(self.folder.rglob('*.png')) - self._written)

    def write(self, name: str, labels: Pixels) -> None:
        """Writes a frame under its name in the data set, which may contain folders.

        Raises:
            UserError: The file cannot be written.
        """
        # Names from a list of pairs may contain '..'; never write outside the output folder.
        place = Path(name)
        inside = ['_' if part == '..' else part for part in place.relative_to(place.anchor).parts]
        path = self.folder.joinpath(*inside[:-1], f'{inside[-1]}.png')
        make_folder(path.parent)
        write_image(path, labels)
        self._written.add(path)
