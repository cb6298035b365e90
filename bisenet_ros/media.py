# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reads and writes image and video files with OpenCV, and refuses truncated ones."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import numpy.typing as npt

from bisenet_ros.errors import UserError
from bisenet_ros.image_header import HeaderError, TruncatedError, check_size
from bisenet_ros.limits import MAX_PIXELS, exceeded

# fmt: off
IMAGE_SUFFIXES = frozenset([
    '.avif', '.bmp', '.dib', '.exr', '.gif', '.hdr', '.jp2', '.jpe', '.jpeg', '.jpg', '.pbm',
    '.pgm', '.png', '.pnm', '.ppm', '.ras', '.tif', '.tiff', '.webp',
])
"""Extensions of images in a folder; an image given by path may have any extension."""

VIDEO_SUFFIXES = frozenset([
    '.avi', '.flv', '.m2ts', '.m4v', '.mkv', '.mov', '.mp4', '.mpeg', '.mpg', '.mts', '.ogv',
    '.ts', '.webm', '.wmv',
])
# fmt: on

_COUNTED_SUFFIXES = frozenset(['.avi', '.m4v', '.mov', '.mp4'])
"""Extensions of videos whose header has a frame count."""

_MAX_BYTES = 16 * MAX_PIXELS
"""Maximum size of an image file: uncompressed pixels of four floats each."""

_SIDES = (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)

_MAX_FRAMES = 1 << 31
"""A larger frame count in a header is invalid, as is NaN."""

Pixels = npt.NDArray[np.uint8]


class MediaError(UserError):
    """An image or video file that cannot be read or written."""


def natural_key(path: Path) -> tuple[list[tuple[int, str]], str]:
    """Returns a sort key that puts `frame2` before `frame10`."""
    parts = re.split('([0-9]+)', path.name)  # alternates text and numbers, text first
    return [(int(part), '') if i % 2 else (0, part) for i, part in enumerate(parts)], path.name


def list_files(folder: Path, suffixes: frozenset[str]) -> list[Path]:
    """Lists the files and links directly in a folder with one of the suffixes, in natural order.

    Raises:
        MediaError: The folder does not exist, or cannot be read.
    """
    if not os.path.isdir(folder):
        raise MediaError(f'{folder}: no such folder')
    try:
        # Hidden files are skipped: macOS stores metadata in ._frame.png. Broken links are not, so
        # that reading them fails: version control of data leaves one for each file not yet fetched.
        files = [
            path
            for path in folder.iterdir()
            if path.suffix.lower() in suffixes and path.name[0] != '.' and not path.is_dir()
        ]
    except OSError as error:
        raise MediaError(f'{folder}: {error.strerror}') from error
    return sorted(files, key=natural_key)


def is_video(path: Path) -> bool:
    """Returns whether a file has the extension of a video."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def read_image(path: Path) -> Pixels:
    """Reads an image as a viewer shows it, (H, W, 3) uint8 BGR.

    The EXIF orientation is applied, alpha is dropped, gray becomes three equal channels, and 16-bit
    samples keep their upper 8 bits.

    Raises:
        MediaError: The file does not exist, is not an image, or is truncated.
    """
    return cast('Pixels', decode_file(path, read_file(path), cv2.IMREAD_COLOR))


def read_file(path: Path) -> bytes:
    """Reads the content of an image file.

    Raises:
        MediaError: The file cannot be read, is too large or claims too large a size, or is
            truncated.
    """
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):  # reading a device or a pipe might never end
            raise MediaError(f'{path}: a folder, device or pipe, not an image file')
        if about.st_size > _MAX_BYTES:
            raise MediaError(f'{path}: over {_MAX_BYTES >> 20} MiB, which no image needs')
        data = path.read_bytes()
    except OSError as error:
        raise MediaError(f'{path}: {error.strerror}') from error
    try:
        check_size(data)
    except TruncatedError as error:
        raise MediaError(f'{path}: the {error.codec} file is truncated: copy it again') from error
    except HeaderError as error:
        raise MediaError(f'{path}: {error}') from error
    return data


def decode_file(path: Path, data: bytes, flags: int) -> npt.NDArray[Any]:
    """Decodes the content of an image file with `cv2.imdecode`.

    Raises:
        MediaError: The content is not an image.
    """
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    except cv2.error as error:
        raise MediaError(f'{path}: not an image that OpenCV can read ({error.err})') from error
    if image is None:
        raise MediaError(f'{path}: not an image that OpenCV can read')
    return np.asarray(image)


def write_image(path: Path, image: Pixels) -> None:
    """Writes an image in the format given by the extension of the file.

    If the disk is full, neither a truncated file nor the one before is left.

    Raises:
        MediaError: The file cannot be written.
    """
    done, data = cv2.imencode(path.suffix, image)
    if not done:
        raise MediaError(f'{path}: OpenCV cannot write an image of this format')
    opened = False
    try:
        with path.open('wb') as file:
            opened = True
            file.write(data.tobytes())
    except OSError as error:
        if opened:
            path.unlink(missing_ok=True)
        raise MediaError(f'{path}: {error.strerror}') from error


class Video:
    """A video file, read frame by frame; each iteration starts at the first frame.

    Attributes:
        rate: Frames per second according to the file; 25 if it does not say.
        frame_count: Frame count in the header, an estimate for some containers; 0 if there is none.

    Raises:
        MediaError: The file does not exist, its name is not UTF-8, or FFmpeg in OpenCV cannot read
            it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not os.path.isfile(path):
            raise MediaError(f'{path}: no such file')
        capture = self._open()
        rate = capture.get(cv2.CAP_PROP_FPS)
        self.rate = rate if 0 < rate <= 1000 else 25.0
        count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.frame_count = int(count) if 0 < count < _MAX_FRAMES else 0
        capture.release()

    def problem_after(self, count: int) -> str:
        """Returns that the file is truncated, if only `count` frames could be read; else empty.

        `frame_count` is exact to a frame or two in MP4 and AVI. In other containers it is computed
        from the duration and a rate that may vary, so only a loss of more than half counts.
        """
        exact = self.path.suffix.lower() in _COUNTED_SUFFIXES
        tolerance = 1 + self.frame_count // 50 if exact else self.frame_count // 2
        if count >= self.frame_count - tolerance:
            return ''
        return f'{self.path} ends after {count} of {self.frame_count} frames'

    def _open(self) -> cv2.VideoCapture:
        name = _name_for_opencv(self.path)
        with _quiet_stderr():
            capture = cv2.VideoCapture(name, cv2.CAP_FFMPEG)
        if not capture.isOpened():
            raise MediaError(f'{self.path}: not a video that OpenCV can read')
        width, height = (int(capture.get(side)) for side in _SIDES)
        if limit := exceeded(width, height):
            raise MediaError(f'{self.path}: {width}x{height}, {limit}')
        return capture

    def __iter__(self) -> Iterator[Pixels]:
        """Yields each frame, (H, W, 3) uint8 BGR, rotated as the file says.

        Raises:
            MediaError: No frame can be read.
        """
        capture = self._open()
        try:
            read, frame = capture.read()
            if not read:
                raise MediaError(f'{self.path}: no frame of this video can be read by OpenCV')
            while read:
                yield cast('Pixels', frame)
                read, frame = capture.read()
        finally:
            capture.release()


class VideoWriter:
    """Writes a WebM video (VP8), which every current browser plays and every OpenCV wheel writes.

    OpenCV wheels have no encoder for H.264, and VP9 takes seven times as long. The first frame
    creates the file and sets the size; an odd last row or column is cropped (VP8 subsamples
    colours).

    Args:
        path: The file to write, ending in `.webm`.
        rate: Frames per second.

    Raises:
        MediaError: While writing, if this OpenCV cannot write WebM, the file cannot be created, or
            its name is not UTF-8; at the end, if the file is incomplete.
    """

    def __init__(self, path: Path, rate: float) -> None:
        self.path = path
        self.rate = rate
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)

    def write(self, frame: Pixels) -> None:
        """Appends a frame, (H, W, 3) uint8 BGR, resized to the size of the first one if needed."""
        if self._writer is None:
            height, width = frame.shape[:2]
            codec = cv2.VideoWriter.fourcc(*'VP80')
            name = _name_for_opencv(self.path)
            with _quiet_stderr():
                writer = cv2.VideoWriter(name, cv2.CAP_FFMPEG, codec, self.rate, (width, height))
            if not writer.isOpened():
                raise MediaError(f'{self.path}: this build of OpenCV cannot write WebM here')
            self._writer, self._size = writer, (width, height)
        if frame.shape[1::-1] != self._size:
            frame = np.asarray(cv2.resize(frame, self._size), np.uint8)
        self._writer.write(frame)

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: Any) -> None:
        if self._writer is None:
            return
        self._writer.release()
        if kind is None and not self._is_complete():
            raise MediaError(f'{self.path}: the end of the video is missing: is the disk full?')

    def _is_complete(self) -> bool:
        """Whether the file has its duration, which is written last; OpenCV reports no errors."""
        try:
            return Video(self.path).frame_count > 0
        except MediaError:
            return False


def _name_for_opencv(path: Path) -> str:
    """Returns the path of a video as text, if it is UTF-8: OpenCV crashes on other names."""
    name = str(path)
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise MediaError(f'{name}: the name is not UTF-8, which OpenCV needs: rename it') from error
    return name


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Discards messages of C libraries: OpenCV warns about a codec tag that it replaces itself."""
    saved = os.dup(2)
    with open(os.devnull, 'wb') as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
