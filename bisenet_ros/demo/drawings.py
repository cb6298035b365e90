# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Draws the frames of a demo: all of them in an overlay video, and a few as pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bisenet_ros.camera_ground import Ground
from bisenet_ros.demo.from_above import GroundOfFrames
from bisenet_ros.drivable import drivable_mask
from bisenet_ros.media import VideoWriter, write_image
from bisenet_ros.overlay import overlay
from bisenet_ros.segmentation import Segmentation

PICTURED = 4
"""Maximum number of frames that are shown as pictures."""

VIDEO = 'overlay.webm'

_PICTURES = 'picture_[0-9]_*.jpg'

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Picture:
    """One frame.

    Attributes:
        title: Its time.
        files: Names of the image files beside the page, by content.
    """

    title: str
    files: Mapping[str, str]


def pictures_in(output: Path) -> list[Path]:
    """Returns the picture files of an earlier demo."""
    return list(output.glob(_PICTURES))


class Drawings:
    """Writes the video and the pictures, as a context manager; removes earlier pictures.

    Attributes:
        pictures: The pictures so far.

    Args:
        output: The output folder.
        rate: Frames per second of the video.
        segmented: Indices of the frames that will be added, ascending, at least one.
        grounds: Draws the ground from above, if that is known.
        alpha: Opacity of the overlay, 0 to 1.
    """

    def __init__(
        self,
        output: Path,
        rate: float,
        segmented: Sequence[int],
        grounds: GroundOfFrames,
        alpha: float,
    ) -> None:
        self.pictures: list[Picture] = []
        self._output = output
        self._video = VideoWriter(output / VIDEO, rate)
        self._numbers = _numbers(segmented)
        self._grounds = grounds
        self._alpha = alpha

    def __enter__(self) -> Drawings:
        for earlier in pictures_in(self._output):
            earlier.unlink()
        self._video.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        self._video.__exit__(*exception)

    def add(
        self,
        index: int,
        title: str,
        image: Pixels,
        truth: Pixels | None,
        found: Segmentation,
        ground: Ground | None,
    ) -> None:
        """Draws a frame.

        Args:
            index: Index of the frame.
            title: Title of its picture.
            image: (H, W, 3) BGR.
            truth: (h, w) class ids, as large as the labels; None without ground truth.
            found: The node's segmentation.
            ground: Its mask projected onto the ground; None if unknown.
        """
        space = found.label_space
        true_mask = None if truth is None else drivable_mask(truth, space.ids_of(space.drivable))
        drawn = overlay(image, found.labels, space, self._alpha, drivable=found.drivable)
        above = self._grounds.draw(ground, true_mask, drawn.shape[0])
        self._video.write(np.hstack([drawn, *above.values()]))
        if index in self._numbers:
            images = {'camera': image, 'segmented': drawn}
            if truth is not None:
                images['truth'] = overlay(image, truth, space, self._alpha, drivable=true_mask)
            self._write(f'picture_{self._numbers[index]}', title, images | above)

    def _write(self, stem: str, title: str, images: Mapping[str, Pixels]) -> None:
        files = {what: f'{stem}_{what.replace(", ", "_")}.jpg' for what in images}
        for what, pixels in images.items():
            write_image(self._output / files[what], pixels)
        self.pictures.append(Picture(title, files))


def _numbers(segmented: Sequence[int]) -> dict[int, int]:
    """Returns the numbers of the pictures from 1 by index of the frame.

    The frames are from the middle of equal parts of the drive, not its first and last frame.
    """
    parts = min(PICTURED, len(segmented))
    return {segmented[(2 * i + 1) * len(segmented) // (2 * parts)]: i + 1 for i in range(parts)}
