# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What was found in each frame as one MCAP file, which Foxglove and `ros2 bag play` open."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

from bisenet_ros.bag import BagWriter
from bisenet_ros.overlay import overlay
from bisenet_ros.replay.findings import Findings
from bisenet_ros.replay.reader import RecordedFrame

OVERLAY_ALPHA = 0.5


def draw(image: npt.NDArray[np.uint8], result: Findings) -> npt.NDArray[np.uint8]:
    """(H, W, 3) BGR: the frame in the colours of its labels, the drivable area outlined."""
    return overlay(
        image, result.labels, result.label_space, OVERLAY_ALPHA, drivable=result.drivable
    )


class ResultsFile:
    """Writes labels, drivable mask and overlay of each frame, as a context manager.

    The topics are the node's, and stamp, frame id and time of reception are the image's. The file
    appears when it is complete.

    Args:
        path: The file to write, ending in `.mcap`; an earlier one is replaced.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stack = ExitStack()

    def __enter__(self) -> ResultsFile:
        folder = tempfile.TemporaryDirectory(prefix=f'.{self._path.stem}.', dir=self._path.parent)
        # A bag is a folder with a file of its own name in it.
        self._bag = Path(self._stack.enter_context(folder)) / self._path.stem
        self._writer = BagWriter(self._bag, 'mcap', compressed=True)
        self._writer.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._stack:
            self._writer.__exit__(kind, error, traceback)
            if error is None:
                (self._bag / self._path.name).replace(self._path)

    def write(self, frame: RecordedFrame, image: npt.NDArray[np.uint8], result: Findings) -> None:
        """Append what was found in a frame, whose image is (H, W, 3) BGR."""
        rgb = draw(image, result)[..., ::-1]
        for kind, pixels in (
            ('labels', result.labels),
            ('drivable', result.drivable),
            ('overlay', rgb),
        ):
            self._writer.write(
                f'{frame.camera.prefix}/segmentation/{kind}',
                frame.stamp,
                frame.message.header.frame_id,
                pixels,
                'mono8' if pixels.ndim == 2 else 'rgb8',
                received=frame.received,
            )
