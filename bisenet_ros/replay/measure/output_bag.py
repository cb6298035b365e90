# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What was found in each frame as one MCAP file, which Foxglove and `ros2 bag play` open."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bisenet_ros.bag.messages import COMPRESSED_IMAGE_TYPE, IMAGE_TYPE
from bisenet_ros.bag.reader import RecordedFrame
from bisenet_ros.bag.writer import BagWriter
from bisenet_ros.drivable import free_space_boundary, mean_confidence, outline
from bisenet_ros.overlay import overlay
from bisenet_ros.replay.measure.findings import Findings
from bisenet_ros.replay.measure.messages import AREA_TYPE, DEFINITIONS, TIMING_TYPE

OVERLAY_ALPHA = 0.5

_IMAGE_FIELDS = ('height', 'width', 'encoding', 'is_bigendian', 'step', 'data')
_COMPRESSED_IMAGE_FIELDS = ('format', 'data')


def draw(image: npt.NDArray[np.uint8], result: Findings) -> npt.NDArray[np.uint8]:
    """(H, W, 3) BGR: the frame in the colours of its labels, the drivable area outlined."""
    return overlay(
        image, result.labels, result.label_space, OVERLAY_ALPHA, drivable=result.drivable
    )


class Timing(NamedTuple):
    """What the node's timing message says of a frame.

    Attributes:
        decode_ms: From the message to pixels.
        inference_ms: From pixels to labels and drivable mask.
        age_ms: From the frame's arrival to its labels; NaN where frames do not arrive in time.
        frames_in: Of its camera so far, itself included: those that came,
        frames_out: were segmented,
        frames_dropped: were replaced by a newer one,
        frames_malformed: and could not be decoded.
    """

    decode_ms: float
    inference_ms: float
    age_ms: float
    frames_in: int
    frames_out: int
    frames_dropped: int
    frames_malformed: int


class ResultsFile:
    """Writes labels, drivable mask and area, overlay and timing of each frame.

    A context manager. The topics are the node's, and stamp, frame id and time of reception are the
    image's. The file appears when it is complete.

    Args:
        path: The file to write, ending in `.mcap`; an earlier one is removed.
        camera_images: Whether the images of the bag are written, too, as they are.
    """

    def __init__(self, path: Path, *, camera_images: bool = False) -> None:
        self._path = path
        self._camera_images = camera_images
        self._stack = ExitStack()

    def __enter__(self) -> ResultsFile:
        self._path.unlink(missing_ok=True)
        folder = tempfile.TemporaryDirectory(prefix=f'.{self._path.stem}.', dir=self._path.parent)
        # A bag is a folder with a file of its own name in it.
        self._bag = Path(self._stack.enter_context(folder)) / self._path.stem
        self._writer = BagWriter(self._bag, 'mcap', compressed=True, definitions=DEFINITIONS)
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

    def write(
        self,
        frame: RecordedFrame,
        result: Findings,
        drawn: npt.NDArray[np.uint8],
        timing: Timing,
    ) -> None:
        """Append what was found in a frame, whose overlay is (H, W, 3) BGR.

        Raises:
            OSError: It cannot be written.
        """
        if self._camera_images:
            self._write_camera_image(frame)
        header = frame.message.header
        for kind, pixels in (
            ('labels', result.labels),
            ('drivable', result.drivable),
            ('overlay', drawn[..., ::-1]),
        ):
            self._writer.write(
                self._topic(frame, kind),
                frame.stamp,
                header.frame_id,
                pixels,
                'mono8' if pixels.ndim == 2 else 'rgb8',
                received=frame.received,
            )
        for kind, message, fields in (
            ('drivable_area', AREA_TYPE, self._area(result)),
            ('timing', TIMING_TYPE, {**timing._asdict(), 'publish_ms': float('nan')}),
        ):
            self._writer.write_message(
                self._topic(frame, kind),
                message,
                frame.stamp,
                header.frame_id,
                fields,
                received=frame.received,
            )

    def _write_camera_image(self, frame: RecordedFrame) -> None:
        compressed = frame.camera.compressed
        names = _COMPRESSED_IMAGE_FIELDS if compressed else _IMAGE_FIELDS
        self._writer.write_message(
            frame.camera.image_topic,
            COMPRESSED_IMAGE_TYPE if compressed else IMAGE_TYPE,
            frame.stamp,
            frame.message.header.frame_id,
            {name: getattr(frame.message, name) for name in names},
            received=frame.received,
        )

    def _area(self, result: Findings) -> dict[str, Any]:
        """The node's drivable area, but for the header."""
        mask = result.drivable
        height, width = mask.shape
        points = [
            self._writer.types['geometry_msgs/msg/Point32'](x=x, y=y, z=0.0)
            for x, y in outline(mask).tolist()
        ]
        return {
            'height': height,
            'width': width,
            'fraction': np.count_nonzero(mask) / mask.size,
            'confidence': mean_confidence(mask, result.confidence),
            'free_space_boundary': free_space_boundary(mask).astype(np.uint32),
            'outline': self._writer.types['geometry_msgs/msg/Polygon'](points=points),
        }

    @staticmethod
    def _topic(frame: RecordedFrame, kind: str) -> str:
        return f'{frame.camera.prefix}/segmentation/{kind}'
