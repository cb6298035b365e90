# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Writes overlay videos, one per camera."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bisenet_ros.bag.reader import Camera, RecordedFrame
from bisenet_ros.formatting import distinct
from bisenet_ros.media import VideoWriter

Pixels = npt.NDArray[np.uint8]


_FASTEST = 120.0
"""Maximum frame rate of a video in Hz, for players that do not show more."""


def videos_in(folder: Path) -> list[Path]:
    """Returns the videos of an earlier replay, of whichever cameras."""
    return [*folder.glob('overlay.webm'), *folder.glob('overlay_*.webm')]


class OverlayVideos:
    """Writes a video per camera, as a context manager: `overlay.webm`, or `overlay_CAMERA.webm`.

    From a camera's first overlay to its last, each frame of the bag is a frame of the video. A
    dropped frame repeats the overlay before it, which is the newest that the vehicle would have
    had.

    Args:
        folder: The output folder; existing videos are replaced.
        cameras: The cameras of the bag.
        seconds: Duration of the bag.
    """

    def __init__(self, folder: Path, cameras: Sequence[Camera], seconds: float) -> None:
        self._stack = ExitStack()
        self._videos: dict[str, _Video] = {}
        names = distinct(
            '_'.join(('overlay', *filter(None, camera.name.split('/')))) for camera in cameras
        )
        for camera, name in zip(cameras, names, strict=True):
            rate = (camera.frame_count - 1) / seconds if seconds > 0 else 1.0
            writer = VideoWriter(folder / f'{name}.webm', min(max(rate, 1.0), _FASTEST))
            self._videos[camera.image_topic] = _Video(writer)

    def __enter__(self) -> OverlayVideos:
        for video in self._videos.values():
            self._stack.enter_context(video.writer)
        return self

    def __exit__(self, *exception: Any) -> None:
        self._stack.__exit__(*exception)

    def write(self, frame: RecordedFrame, drawn: Pixels) -> None:
        """Appends the overlay of a frame, (H, W, 3) BGR; in frame order for each camera.

        Raises:
            MediaError: The video cannot be written.
        """
        self._videos[frame.camera.image_topic].write(frame.index, drawn)


class _Video:
    """The video of one camera."""

    def __init__(self, writer: VideoWriter) -> None:
        self.writer = writer
        self._next = 0
        self._last: Pixels | None = None

    def write(self, index: int, drawn: Pixels) -> None:
        """Appends frame number `index`; the previous frame is repeated for missing ones."""
        if self._last is not None:
            for _ in range(self._next, index):
                self.writer.write(self._last)
        self.writer.write(drawn)
        self._last, self._next = drawn, index + 1
