# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Processes a camera frame from input to output messages as the node does, without middleware."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bisenet_ros.benchmark.baselines import Pixels
from bisenet_ros.camera_pipeline import CameraPipeline
from bisenet_ros.engine.profiling import Stage, listening, stage
from bisenet_ros.image_codec import image_fields, to_array
from bisenet_ros.segmenter import Segmenter


@dataclass(frozen=True)
class Stamp:
    """The fields of `builtin_interfaces/Time`."""

    sec: int = 0
    nanosec: int = 0


@dataclass(frozen=True)
class Header:
    """The fields of `std_msgs/Header` that are used."""

    stamp: Stamp = Stamp()


@dataclass
class Message:
    """The fields of `sensor_msgs/Image`.

    Attributes:
        due: When the camera publishes the image, in seconds of `time.monotonic()`.
    """

    header: Header = field(default_factory=Header)
    due: float = 0.0
    height: int = 0
    width: int = 0
    encoding: str = ''
    is_bigendian: int = 0
    step: int = 0
    data: Any = field(default=b'', repr=False)

    @classmethod
    def of(cls, pixels: Pixels, encoding: str) -> Message:
        """Returns an image message as a camera or the node publishes it."""
        fields = image_fields(pixels, encoding)
        return cls(**{**fields, 'data': to_array(fields['data'])})


def process(pipeline: CameraPipeline, message: Message) -> tuple[Message, Message]:
    """Returns the output messages, labels and drivable mask, for a camera message."""
    with stage('decode'):
        frame = pipeline.decode('', message)
    found = pipeline.segment([frame])[0].segmentation
    with stage('drivable'):
        drivable = found.drivable
    with stage('publish'):
        return Message.of(found.labels, 'mono8'), Message.of(drivable, 'mono8')


class StageTimes:
    """Times of the stages of `process`, run by run.

    Attributes:
        ms: By stage, in order of first occurrence.
    """

    def __init__(
        self, segmenter: Segmenter, message: Message, settle: Callable[[], object]
    ) -> None:
        """
        Args:
            segmenter: The segmenter to measure.
            message: Its input.
            settle: Waits for the device.
        """
        self.ms: dict[Stage, list[float]] = defaultdict(list)
        self._pipeline = CameraPipeline([''], segmenter)
        self._message = message
        self._settle = settle

    def run(self) -> None:
        """Processes the message once."""
        with listening(lambda name, ms: self.ms[name].append(ms), self._settle):
            process(self._pipeline, self._message)
