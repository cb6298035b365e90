# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Writes what the node publishes to one MCAP file, for Foxglove and `ros2 bag play`."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bisenet_ros import outputs
from bisenet_ros.bag.reader import RecordedFrame
from bisenet_ros.bag.writer import BagWriter, fields_of
from bisenet_ros.message_types import COMPRESSED_IMAGE_TYPE, IMAGE_TYPE
from bisenet_ros.outputs import FrameResult
from bisenet_ros.resources import message_definition

OWN = 'bisenet_ros/msg/'
"""Prefix of the message types of this package."""


class OutputBag:
    """Writes the outputs of each frame.

    A context manager. Topics and frame ids are those of the node; stamp and time of reception are
    those of the image. The file appears only when it is complete.

    Args:
        path: The file to write, ending in `.mcap`; an existing one is replaced.
        camera_images: Also copy the images of the bag.
    """

    def __init__(self, path: Path, *, camera_images: bool = False) -> None:
        self._path = path
        self._camera_images = camera_images
        self._stack = ExitStack()

    def __enter__(self) -> OutputBag:
        folder = tempfile.TemporaryDirectory(prefix=f'.{self._path.stem}.', dir=self._path.parent)
        # A bag is a folder that contains a file with the folder's name.
        self._bag = Path(self._stack.enter_context(folder)) / self._path.stem
        own = [output.type for output in outputs.OUTPUTS if output.type.startswith(OWN)]
        definitions = {kind: message_definition(kind) for kind in own}
        self._writer = BagWriter(self._bag, 'mcap', compressed=True, definitions=definitions)
        self._writer.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        with self._stack:
            self._writer.__exit__(*exception)
            if exception[1] is None:
                (self._bag / self._path.name).replace(self._path)

    def write(self, frame: RecordedFrame, result: FrameResult) -> None:
        """Appends the outputs of a frame.

        Raises:
            OSError: They cannot be written.
        """
        if self._camera_images:
            kind = COMPRESSED_IMAGE_TYPE if frame.camera.compressed else IMAGE_TYPE
            image, frame_id = fields_of(frame.message), frame.message.header.frame_id
            self._write(frame, frame.camera.image_topic, kind, image, frame_id)
        for output in outputs.OUTPUTS:
            filled = output.fill(result) if output.recorded else None
            if filled is None:
                continue
            topic = '/' + outputs.output_topic(frame.camera.name, output.name)
            if isinstance(filled, Mapping):
                self._write(frame, topic, output.type, filled, output.frame_id(result))
            else:
                fields, frame_id = fields_of(filled), filled.header.frame_id
                self._write(frame, topic, output.type, fields, frame_id)

    def _write(
        self,
        frame: RecordedFrame,
        topic: str,
        kind: str,
        fields: Mapping[str, Any],
        frame_id: str,
    ) -> None:
        self._writer.write_message(
            topic,
            kind,
            frame.stamp,
            frame_id,
            fields,
            received=frame.received,
        )
