# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the demo's camera sees: the synthetic drive, or the user's video, images or bag.

A source gives the same frames each time that it is iterated over, so that a report can draw what
was published without anybody having kept it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, takewhile
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from bisenet_ros.errors import UserError
from bisenet_ros.media import IMAGE_SUFFIXES, Video, is_video, list_files, read_image

FOLDER_RATE = 15.0
"""Frames per second of a folder of images, which says nothing about time."""

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


class Source(Protocol):
    """Frames in the order of their times.

    Attributes:
        name: What it is, for people.
        has_truth: Whether frames come with class ids.
        frame_count: How many frames it gives at most, as far as that is known; 0 where it is not.
    """

    name: str
    has_truth: bool
    frame_count: int

    def __iter__(self) -> Iterator[Frame]: ...


@dataclass(frozen=True)
class View:
    """Which frames a demo shows.

    Attributes:
        path: A video, a folder of images or a bag; None for the synthetic drive.
        seconds: How many of it.
        seed: Of the synthetic drive.
        size: (width, height) of the synthetic drive.
        rate: Frames per second of the synthetic drive.
    """

    path: Path | None = None
    seconds: float = 45.0
    seed: int = 0
    size: tuple[int, int] = (480, 360)
    rate: float = 10.0


def open_source(view: View) -> Source:
    """The source of a view, limited to its length.

    Raises:
        UserError: The path is none of what a source can be.
    """
    return _Limited(_open(view), view.seconds)


def _open(view: View) -> Source:
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
    return BagSource(path)


class _Limited:
    """The first seconds of a source."""

    def __init__(self, source: Source, seconds: float) -> None:
        self._source = source
        self._seconds = seconds
        self.name = source.name
        self.has_truth = source.has_truth
        self.frame_count = source.frame_count

    def __iter__(self) -> Iterator[Frame]:
        return takewhile(lambda frame: frame.time < self._seconds, self._source)


class SyntheticSource:
    """The synthetic drive, whose truth is exact; it has no end."""

    def __init__(self, view: View) -> None:
        self._view = view
        self.name = f'synthetic drive, seed {view.seed}'
        self.has_truth = True
        self.frame_count = math.ceil(view.seconds * view.rate)

    def __iter__(self) -> Iterator[Frame]:
        from bisenet_ros.demo.drive import SyntheticDrive

        drive = SyntheticDrive(self._view.seed, self._view.size, self._view.rate)
        for index in count():
            image, labels = drive.frame(index)
            yield Frame(index / self._view.rate, image, labels)


class VideoSource:
    """A video at its own rate."""

    def __init__(self, path: Path, seconds: float) -> None:
        self._video = Video(path)
        self.name = str(path)
        self.has_truth = False
        self.frame_count = min(self._video.frame_count, math.ceil(seconds * self._video.rate))

    def __iter__(self) -> Iterator[Frame]:
        for index, image in enumerate(self._video):
            yield Frame(index / self._video.rate, image, None)


class FolderSource:
    """The images directly in a folder, in natural order."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self._paths = list_files(folder, IMAGE_SUFFIXES)
        self.name = str(folder)
        self.has_truth = False
        self.frame_count = min(len(self._paths), math.ceil(seconds * FOLDER_RATE))

    def __iter__(self) -> Iterator[Frame]:
        for index, path in enumerate(self._paths):
            yield Frame(index / FOLDER_RATE, read_image(path), None)


class BagSource:
    """One camera of a bag as it was recorded, and its truth if the bag has it."""

    def __init__(self, path: Path) -> None:
        # rosbags comes with the offline tools, which other sources do without.
        from bisenet_ros.bag import CameraBag

        self._bag = CameraBag(path)
        self.name = f'{path} ({self._bag.image_topic})'
        self.has_truth = self._bag.truth_topic is not None
        self.frame_count = self._bag.frame_count

    def __iter__(self) -> Iterator[Frame]:
        start: int | None = None
        for frame in self._bag:
            start = frame.received if start is None else start
            yield Frame(1e-9 * (frame.received - start), frame.image, frame.truth)
