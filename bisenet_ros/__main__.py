# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command `bisenet`: Ctrl-C ends it without a traceback, even while it loads."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import Any

from bisenet_ros.limits import MAX_IMAGE_SIDE, MAX_PIXELS
from bisenet_ros.signals import verb_imports

INTERRUPTED = 130
"""Exit code after Ctrl-C, as in shells."""

LIMITS = {
    'OPENCV_IO_MAX_IMAGE_PIXELS': str(MAX_PIXELS),
    'OPENCV_IO_MAX_IMAGE_WIDTH': str(MAX_IMAGE_SIDE),
    'OPENCV_IO_MAX_IMAGE_HEIGHT': str(MAX_IMAGE_SIDE),
    'OPENCV_FFMPEG_CAPTURE_OPTIONS': 'protocol_whitelist;file|format_whitelist;'
    'asf,avi,flv,m4v,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mpeg,mpegts,mpegvideo,ogg',
}
"""OpenCV refuses larger images, and its FFmpeg opens local video files only. Without the whitelist
it would also open the files that a playlist names."""


def _end(*_: Any) -> None:
    os._exit(INTERRUPTED)


def _interrupt(_: int, frame: FrameType | None) -> None:
    """Raises KeyboardInterrupt, but ends the process while a verb imports what it needs."""
    if verb_imports(frame):
        os._exit(INTERRUPTED)
    raise KeyboardInterrupt


def main() -> None:
    """Runs the command line."""
    # OpenCV reads these when it is imported and when it opens a video.
    for name, value in LIMITS.items():
        os.environ.setdefault(name, value)
    # The import takes a second or two; an interrupt during it would print a traceback.
    before = signal.signal(signal.SIGINT, _end)
    from bisenet_ros import cli

    # A signal that is ignored, as in the background of a shell script, stays ignored.
    signal.signal(signal.SIGINT, _interrupt if before is signal.default_int_handler else before)
    try:
        cli.main()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == '__main__':
    main()
