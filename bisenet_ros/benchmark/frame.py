# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Processes a camera frame from input to output messages as the node does, without middleware."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from types import SimpleNamespace

from bisenet_ros.benchmark.baselines import Pixels
from bisenet_ros.camera_pipeline import CameraPipeline
from bisenet_ros.engine.profiling import Stage, listening, stage
from bisenet_ros.image_codec import image_fields, to_array
from bisenet_ros.segmenter import Segmenter


def image_message(pixels: Pixels, encoding: str) -> SimpleNamespace:
    """Returns the fields of a `sensor_msgs/Image` as a camera or the node publishes it."""
    fields = image_fields(pixels, encoding)
    header = SimpleNamespace(stamp=SimpleNamespace(sec=0, nanosec=0))
    return SimpleNamespace(header=header, **{**fields, 'data': to_array(fields['data'])})


def process(
    pipeline: CameraPipeline, message: SimpleNamespace
) -> tuple[SimpleNamespace, SimpleNamespace]:
    """Returns the output messages, labels and drivable mask, for a camera message."""
    with stage('decode'):
        frame = pipeline.decode('', message)
    found = pipeline.segment([frame])[0].segmentation
    with stage('drivable'):
        drivable = found.drivable
    with stage('publish'):
        return image_message(found.labels, 'mono8'), image_message(drivable, 'mono8')


class StageTimes:
    """Times of the stages of `process`, run by run.

    Attributes:
        ms: By stage, in order of first occurrence.
    """

    def __init__(
        self, segmenter: Segmenter, message: SimpleNamespace, settle: Callable[[], object]
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
