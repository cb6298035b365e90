# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What was found in a data set, as images that any program can count in."""

from __future__ import annotations

from pathlib import Path

from bisenet_ros.console import make_folder
from bisenet_ros.media import write_image
from bisenet_training.evaluation.predictor import Pixels


class LabelImages:
    """Writes the labels of each frame: PNG, 8 bit, the data set's class ids.

    Args:
        folder: Where to.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, name: str, labels: Pixels) -> None:
        """Write a frame, under the name that the data set has for it, with any folders in that.

        Raises:
            UserError: The file cannot be written.
        """
        # A list of pairs may lead out of its own folder; nothing may lead out of ours.
        place = Path(name)
        inside = ['_' if part == '..' else part for part in place.relative_to(place.anchor).parts]
        path = self._folder.joinpath(*inside[:-1], f'{inside[-1]}.png')
        make_folder(path.parent)
        write_image(path, labels)
