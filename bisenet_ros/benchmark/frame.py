# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A camera's frame from message to messages, as the node does it, without the middleware."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bisenet_ros.benchmark.baselines import Pixels
from bisenet_ros.engine.profiling import Stage, listening, stage
from bisenet_ros.image_codec import decode_image, fill_image
from bisenet_ros.segmenter import Segmenter


@dataclass
class Message:
    """The fields of `sensor_msgs/Image`."""

    header: Any = None
    height: int = 0
    width: int = 0
    encoding: str = ''
    is_bigendian: int = 0
    step: int = 0
    data: Any = field(default=b'', repr=False)

    @classmethod
    def of(cls, pixels: Pixels, encoding: str, header: Any = None) -> Message:
        """An image as a camera, or the node, publishes it."""
        message = cls(header)
        fill_image(message, pixels, encoding)
        return message


def process(segmenter: Segmenter, message: Message) -> tuple[Message, Message]:
    """The messages with labels and drivable mask that answer a camera's."""
    with stage('decode'):
        frame = decode_image(message)
    result = segmenter(frame)
    with stage('drivable'):
        drivable = result.drivable
    with stage('publish'):
        return (
            Message.of(result.labels, 'mono8', message.header),
            Message.of(drivable, 'mono8', message.header),
        )


class StageTimes:
    """What the stages of `process` take, run by run.

    Attributes:
        ms: By stage, in the order in which they were first heard of.
    """

    def __init__(
        self, segmenter: Segmenter, message: Message, settle: Callable[[], object]
    ) -> None:
        """
        Args:
            segmenter: What is measured.
            message: What it is given.
            settle: Waits for the device.
        """
        self.ms: dict[Stage, list[float]] = defaultdict(list)
        self._segmenter = segmenter
        self._message = message
        self._settle = settle

    def run(self) -> None:
        """Process the message once."""
        with listening(lambda name, ms: self.ms[name].append(ms), self._settle):
            process(self._segmenter, self._message)
