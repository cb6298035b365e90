# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Records the outputs of a node.

    python3 -m bisenet_ros.live.recorder FOLDER [--cameras front rear]

When labels, drivable mask, confidence and timing of a stamp have arrived, the recorder writes them
and emits `segmented`. On a signal, it emits `recorded` after the last of them, and exits.
"""

from __future__ import annotations

import argparse
import struct
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future
from sensor_msgs.msg import Image

from bisenet_ros.bag.recorded_outputs import KINDS, Arrival, RecordedOutputsWriter
from bisenet_ros.errors import BAD_INPUT, UserError
from bisenet_ros.live.events import emit
from bisenet_ros.live.stamp_matcher import StampMatcher
from bisenet_ros.message_types import optional_message
from bisenet_ros.outputs import output_topic
from bisenet_ros.signals import on_stop_signal
from bisenet_ros.stamps import nanoseconds

_TIMING = 'timing'
_QOS = QoSProfile(depth=30, reliability=ReliabilityPolicy.RELIABLE)
_HEADER = struct.Struct('<4xiI')  # start of a serialised message that begins with a header


class CameraRecorder:
    """Subscribes to the outputs for one camera, and records those that are complete.

    Args:
        node: The node that subscribes.
        camera: The name of the camera.
        outputs: Stores the outputs.

    Raises:
        UserError: The messages of bisenet_ros are not compiled.
    """

    def __init__(self, node: Node, camera: str, outputs: RecordedOutputsWriter) -> None:
        self._camera = camera
        self._outputs = outputs
        self._matcher: StampMatcher[tuple[Any, int]] = StampMatcher((*KINDS, _TIMING))
        timing = optional_message('bisenet_ros', 'SegmentationTiming')
        if timing is None:
            raise UserError(
                'the messages of bisenet_ros are not compiled: build the package with colcon, or '
                "run 'pip install -v -e .' to see why they could not be compiled"
            )
        for kind in KINDS:
            take = partial(self._take_image, kind)
            node.create_subscription(Image, output_topic(camera, kind), take, _QOS, raw=True)
        topic = output_topic(camera, _TIMING)
        node.create_subscription(timing, topic, self._take_timing, _QOS)

    def _take_image(self, kind: str, data: bytes) -> None:
        seconds, rest = _HEADER.unpack_from(data)
        self._take(kind, seconds * 1_000_000_000 + rest, data)

    def _take_timing(self, timing: Any) -> None:
        self._take(_TIMING, nanoseconds(timing.header.stamp), timing)

    def _take(self, kind: str, stamp: int, message: Any) -> None:
        found = self._matcher.add(kind, stamp, (message, time.monotonic_ns()))
        if found is None:
            return
        _, received = found['labels']
        timing, _ = found[_TIMING]
        arrival = Arrival(
            self._camera,
            stamp,
            received,
            timing.decode_ms,
            timing.inference_ms,
            timing.publish_ms,
        )
        emit('segmented', camera=self._camera, stamp=stamp, received=received)
        self._outputs.write(arrival, {kind: found[kind][0] for kind in KINDS})


def main(arguments: list[str] | None = None) -> int:
    """Runs the recorder; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0] if __doc__ else None)
    parser.add_argument('folder', type=Path)
    parser.add_argument('--cameras', nargs='+', default=[''])
    options = parser.parse_args(arguments)
    ended: Future = Future()
    with on_stop_signal(lambda: ended.set_result(None)):
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        executor = SingleThreadedExecutor()
        try:
            node = rclpy.create_node('recorder')
            with RecordedOutputsWriter(options.folder) as outputs:
                for name in options.cameras:
                    CameraRecorder(node, name, outputs)
                executor.add_node(node)
                # Humble looks at a future only after a callback.
                ended.add_done_callback(lambda _: executor.create_task(lambda: None))
                executor.spin_until_future_complete(ended)
            emit('recorded')
        except (UserError, OSError) as error:
            print(error, file=sys.stderr)
            return BAD_INPUT
        finally:
            executor.shutdown()
            rclpy.shutdown()
    return 0


if __name__ == '__main__':
    sys.exit(main())
