# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the demo's camera sees: the synthetic drive, or the user's video, images or bag.

A source gives the same frames each time that it is iterated over, so that a report can draw what
was published without anybody having kept it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, takewhile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bisenet_ros.errors import UserError
from bisenet_ros.media import IMAGE_SUFFIXES, Video, is_video, list_files, read_image

FOLDER_RATE = 15.0
"""Frames per second of a folder of images, which says nothing about time."""

RENDERED_IMAGES, RENDERED_TRUTHS = 'images.raw', 'truths.raw'
"""Files of a rendered drive: frame after frame, (H, W, 3) BGR and (H, W) ids."""

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Frame:
    """What a camera sees at one moment.

    Attributes:
        time: Seconds since the first frame.
        image: (H, W, 3) uint8 BGR.
        truth: (H, W) uint8 class ids, where they are known.
    """

    time: float
    image: Pixels
    truth: Pixels | None


@dataclass(frozen=True)
class View:
    """Which frames a demo shows.

    Attributes:
        path: A video, a folder of images or a bag; None for the synthetic drive.
        seconds: How many of it.
        seed: Of the synthetic drive.
        size: (width, height) of the synthetic drive.
        rate: Frames per second of the synthetic drive.
        rendered: A folder that `rendering.render` has put the synthetic drive into.
    """

    path: Path | None = None
    seconds: float = 45.0
    seed: int = 0
    size: tuple[int, int] = (480, 360)
    rate: float = 10.0
    rendered: Path | None = None


class Source(ABC):
    """Frames in the order of their times.

    Attributes:
        name: What it is, for people.
        frame_count: How many frames it gives at most, as far as that is known; 0 where it is not.
        has_truth: Whether frames come with class ids.
        camera_matrix: (3, 3) float64 pinhole intrinsics in pixels, without distortion, where they
            are known.

    Args:
        name: See above, as for the next three.
        seconds: Frames from this time on are left out.
    """

    def __init__(
        self,
        name: str,
        seconds: float,
        *,
        frame_count: int,
        has_truth: bool = False,
        camera_matrix: npt.NDArray[np.float64] | None = None,
    ) -> None:
        self.name = name
        self.frame_count = frame_count
        self.has_truth = has_truth
        self.camera_matrix = camera_matrix
        self._seconds = seconds

    def __iter__(self) -> Iterator[Frame]:
        return takewhile(lambda frame: frame.time < self._seconds, self._frames())

    @abstractmethod
    def _frames(self) -> Iterator[Frame]:
        """All frames there are."""


def open_source(view: View) -> Source:
    """The source of a view, limited to its length.

    Raises:
        UserError: The path is none of what a source can be.
    """
    path = view.path
    if path is None:
        return SyntheticSource(view)
    if not path.exists():
        raise UserError(f'{path}: no such file or folder')
    if is_video(path):
        return VideoSource(path, view.seconds)
    if path.is_dir() and list_files(path, IMAGE_SUFFIXES):
        return FolderSource(path, view.seconds)
    if path.is_dir() and not (path / 'metadata.yaml').exists():
        raise UserError(f'{path}: neither images nor a rosbag2 (metadata.yaml) in this folder')
    return BagSource(path, view.seconds)


class SyntheticSource(Source):
    """The synthetic drive, whose truth is exact; it has no end."""

    def __init__(self, view: View) -> None:
        # The renderer is not loaded where a video or a bag is shown.
        from bisenet_ros.synthetic.drive import SyntheticDrive

        self._view = view
        self._drive = SyntheticDrive(view.seed, view.size, view.rate)
        super().__init__(
            f'Synthetic drive, seed {view.seed}',
            view.seconds,
            frame_count=math.ceil(view.seconds * view.rate),
            has_truth=True,
            camera_matrix=self._drive.camera_matrix,
        )

    def _frames(self) -> Iterator[Frame]:
        width, height = self._view.size
        folder = self._view.rendered
        frames: Iterator[tuple[Pixels, Pixels]]
        if folder is None:
            frames = map(self._drive.frame, count())
        else:
            images = np.memmap(folder / RENDERED_IMAGES, np.uint8, 'r')
            truths = np.memmap(folder / RENDERED_TRUTHS, np.uint8, 'r')
            frames = zip(
                images.reshape(-1, height, width, 3), truths.reshape(-1, height, width), strict=True
            )
        for index, (image, truth) in enumerate(frames):
            yield Frame(index / self._view.rate, image, truth)


class VideoSource(Source):
    """A video at its own rate."""

    def __init__(self, path: Path, seconds: float) -> None:
        self._video = Video(path)
        frame_count = min(self._video.frame_count, math.ceil(seconds * self._video.rate))
        super().__init__(str(path), seconds, frame_count=frame_count)

    def _frames(self) -> Iterator[Frame]:
        for index, image in enumerate(self._video):
            yield Frame(index / self._video.rate, image, None)


class FolderSource(Source):
    """The images directly in a folder, in natural order."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self._paths = list_files(folder, IMAGE_SUFFIXES)
        frame_count = min(len(self._paths), math.ceil(seconds * FOLDER_RATE))
        super().__init__(str(folder), seconds, frame_count=frame_count)

    def _frames(self) -> Iterator[Frame]:
        for index, path in enumerate(self._paths):
            yield Frame(index / FOLDER_RATE, read_image(path), None)


class BagSource(Source):
    """One camera of a bag as it was recorded, and its truth if the bag has it."""

    def __init__(self, path: Path, seconds: float) -> None:
        # rosbags comes with the offline tools, which other sources do without.
        from bisenet_ros.bag.camera_bag import CameraBag

        self._bag = CameraBag(path)
        super().__init__(
            f'{path} ({self._bag.image_topic})',
            seconds,
            frame_count=self._bag.frame_count,
            has_truth=self._bag.truth_topic is not None,
        )

    def _frames(self) -> Iterator[Frame]:
        start: int | None = None
        for frame in self._bag:
            start = frame.received if start is None else start
            yield Frame(1e-9 * (frame.received - start), frame.image, frame.truth)
