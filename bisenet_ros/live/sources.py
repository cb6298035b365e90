# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a player plays: a bag, a video or a folder of images, as the frames of a bag.

A source gives the same frames each time that it is iterated over, so that a report can draw what
was published without anybody having kept it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rosbags.typesys import Stores, get_typestore

from bisenet_ros.bag.messages import IMAGE_TOPIC, IMAGE_TYPE
from bisenet_ros.bag.reader import Camera, RecordedFrame, ReplayBag, main_camera
from bisenet_ros.errors import UserError
from bisenet_ros.media import IMAGE_SUFFIXES, Video, is_video, list_files, read_image

FOLDER_RATE = 15.0
"""Frames per second of a folder of images, which says nothing about time."""

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Source:
    """What is played.

    Attributes:
        path: A bag, a video or a folder of images.
        image_topic: The only camera of a bag that is played; None for all.
        labels_topic: The truth of that camera, as `ReplayBag` takes it.
        seconds: Frames from this time on are left out.
    """

    path: Path
    image_topic: str | None = None
    labels_topic: str | None = None
    seconds: float = math.inf


class Frames:
    """The frames of a source.

    Attributes:
        name: What it is, for people.
        cameras: Whose frames they are.
        frame_count: How many frames there are at most, as far as that is known; 0 where it is not.

    Args:
        name: See above, as for the next two.
        frames: All frames of the source in the order of the recording, anew each time.
        seconds: Frames from this time on are left out.
    """

    def __init__(
        self,
        name: str,
        cameras: tuple[Camera, ...],
        frame_count: int,
        frames: Callable[[], Iterator[RecordedFrame]],
        seconds: float,
    ) -> None:
        self.name = name
        self.cameras = cameras
        self.frame_count = frame_count
        self._frames = frames
        self._nanoseconds = 1e9 * seconds

    def __iter__(self) -> Iterator[RecordedFrame]:
        start: int | None = None
        for frame in self._frames():
            start = frame.received if start is None else start
            if frame.received - start >= self._nanoseconds:
                return
            yield frame


def main_source(path: Path, seconds: float) -> Source:
    """What is played where only one camera can be shown: of a bag, its `main_camera`.

    Raises:
        UserError: The path is none of what a source can be.
    """
    return Source(path, main_camera(path) if _is_bag(path) else None, seconds=seconds)


def open_source(source: Source) -> Frames:
    """The frames of a source.

    Raises:
        UserError: The path is none of what a source can be.
    """
    path = source.path
    if _is_bag(path):
        bag = ReplayBag(path, source.image_topic, source.labels_topic)
        topics = ', '.join(camera.image_topic for camera in bag.cameras)
        count = sum(camera.frame_count for camera in bag.cameras)
        return Frames(f'{path} ({topics})', bag.cameras, count, bag.__iter__, source.seconds)
    if is_video(path):
        video = Video(path)
        return _pictures(source, video, video.rate, video.frame_count)
    files = list_files(path, IMAGE_SUFFIXES)
    return _pictures(source, _Images(files), FOLDER_RATE, len(files))


def _is_bag(path: Path) -> bool:
    """Whether a path is taken for a bag, and not for a video or a folder of images.

    Raises:
        UserError: It is none of them.
    """
    if not path.exists():
        raise UserError(f'{path}: no such file or folder')
    if not path.is_dir():
        return not is_video(path)
    if (path / 'metadata.yaml').exists():
        return True
    if not list_files(path, IMAGE_SUFFIXES):
        raise UserError(f'{path}: neither images nor a rosbag2 (metadata.yaml) in this folder')
    return False


@dataclass(frozen=True)
class _Images:
    """Image files, (H, W, 3) BGR."""

    files: list[Path]

    def __iter__(self) -> Iterator[Pixels]:
        return map(read_image, self.files)


def _pictures(source: Source, images: Iterable[Pixels], rate: float, count: int) -> Frames:
    """Pictures at a steady rate, as if a camera had recorded them."""
    count = min(count, math.ceil(source.seconds * rate)) if source.seconds < math.inf else count
    camera = Camera('', IMAGE_TOPIC, None, count)
    types: Mapping[str, Any] = get_typestore(Stores.LATEST).types

    def frames() -> Iterator[RecordedFrame]:
        for index, pixels in enumerate(images):
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

    return Frames(str(source.path), (camera,), count, frames, source.seconds)
