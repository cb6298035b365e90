# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sources of a player: a bag, a video or a folder of images, read as the frames of a bag.

A source gives the same frames on each iteration, so that a report can draw them again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rosbags.typesys import Stores, get_typestore

from bisenet_ros.bag.messages import IMAGE_TOPIC
from bisenet_ros.bag.reader import Camera, RecordedFrame, ReplayBag, main_camera
from bisenet_ros.errors import UserError
from bisenet_ros.media import IMAGE_SUFFIXES, Video, is_video, list_files, read_image
from bisenet_ros.message_types import IMAGE_TYPE

FOLDER_RATE = 15.0
"""Frames per second of a folder of images, which has no timing."""

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Source:
    """A source of frames to play.

    Attributes:
        path: A bag, a video or a folder of images.
        image_topic: Play this camera of a bag only; None for all cameras.
        labels_topic: The ground truth of that camera, as in `ReplayBag`.
        seconds: Frames from this time on are left out.
    """

    path: Path
    image_topic: str | None = None
    labels_topic: str | None = None
    seconds: float = math.inf

    def files(self) -> Iterator[Path]:
        """Yields the file of the source, or the files directly in its folder.

        Raises:
            OSError: The folder cannot be read.
        """
        if self.path.is_dir():
            yield from filter(Path.is_file, self.path.iterdir())
        else:
            yield self.path


class Frames:
    """The frames of a source.

    Attributes:
        name: Name for display.
        cameras: The cameras of the frames.
        frame_count: Upper bound of the number of frames; 0 if it is unknown.
        problem: Why frames are missing at the end; known after an iteration, empty if none are.

    Args:
        name: See the attributes, as for the next two.
        frames: Returns an iterator over all frames of the source in recording order.
        seconds: Frames from this time on are left out.
        problem_after: Returns `problem` by the number of frames of the source.
    """

    def __init__(
        self,
        name: str,
        cameras: tuple[Camera, ...],
        frame_count: int,
        frames: Callable[[], Iterator[RecordedFrame]],
        seconds: float,
        problem_after: Callable[[int], str] = lambda count: '',
    ) -> None:
        self.name = name
        self.cameras = cameras
        self.frame_count = frame_count
        self._frames = frames
        self._nanoseconds = 1e9 * seconds
        self._problem_after = problem_after
        self.problem = ''

    def __iter__(self) -> Iterator[RecordedFrame]:
        start: int | None = None
        count = 0
        for frame in self._frames():
            count += 1
            start = frame.received if start is None else start
            if frame.received - start >= self._nanoseconds:
                return
            yield frame
        self.problem = self._problem_after(count)


def main_source(path: Path, seconds: float) -> Source:
    """Returns the source of a single camera; for a bag, its `main_camera`.

    Raises:
        UserError: The path is not a bag, a video or a folder of images.
    """
    return Source(path, main_camera(path) if _is_bag(path) else None, seconds=seconds)


def open_source(source: Source) -> Frames:
    """Opens a source.

    Raises:
        UserError: The path is not a bag, a video or a folder of images.
    """
    path = source.path
    if _is_bag(path):
        bag = ReplayBag(path, source.image_topic, source.labels_topic)
        topics = ', '.join(camera.image_topic for camera in bag.cameras)
        name = f'{path} ({topics})'
        return Frames(name, bag.cameras, bag.frame_count, bag.__iter__, source.seconds)
    if is_video(path):
        video = Video(path)
        return _pictures(source, video.__iter__, video.rate, video.frame_count, video.problem_after)
    files = list_files(path, IMAGE_SUFFIXES)
    return _pictures(source, lambda: map(read_image, files), FOLDER_RATE, len(files))


def _is_bag(path: Path) -> bool:
    """Returns whether a path is a bag, and not a video or a folder of images.

    Raises:
        UserError: The path does not exist, or is a folder with neither a bag nor images.
    """
    if not path.exists():
        raise UserError(f'{path}: no such file or folder')
    if not path.is_dir():
        return not is_video(path)
    if (path / 'metadata.yaml').exists():
        return True
    if not list_files(path, IMAGE_SUFFIXES):
        raise UserError(f'{path}: this folder has neither images nor a rosbag2 (metadata.yaml)')
    return False


def _pictures(
    source: Source,
    images: Callable[[], Iterator[Pixels]],
    rate: float,
    count: int,
    problem_after: Callable[[int], str] = lambda count: '',
) -> Frames:
    """Returns (H, W, 3) BGR images at a fixed rate, as if recorded by a camera."""
    count = min(count, math.ceil(source.seconds * rate)) if source.seconds < math.inf else count
    camera = Camera('', IMAGE_TOPIC, None, count)
    types: Mapping[str, Any] = get_typestore(Stores.LATEST).types

    def frames() -> Iterator[RecordedFrame]:
        for index, pixels in enumerate(images()):
            stamp = round(index * 1e9 / rate)
            time = types['builtin_interfaces/msg/Time'](*divmod(stamp, 1_000_000_000))
            message = types[IMAGE_TYPE](
                header=types['std_msgs/msg/Header'](stamp=time, frame_id='camera'),
                height=pixels.shape[0],
                width=pixels.shape[1],
                encoding='bgr8',
                is_bigendian=0,
                step=pixels[0].nbytes,
                data=np.ascontiguousarray(pixels).reshape(-1),
            )
            yield RecordedFrame(camera, index, stamp, stamp, message, None)

    return Frames(str(source.path), (camera,), count, frames, source.seconds, problem_after)
