# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The demo's camera: publishes a source at its own rate, as a camera driver would.

    python3 -m bisenet_ros.live.camera [--source clip.mp4] [--seconds 45]

`image` and `camera_info` go out with best effort (sensor data), `ground_truth/labels` reliably.
It waits until somebody listens, publishes every frame once with the time of its publication as its
stamp, says on standard output what it published, and ends when it is told to.
"""

from __future__ import annotations

import argparse
import queue
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from rclpy.signals import SignalHandlerOptions
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, Image

from bisenet_ros.errors import UserError
from bisenet_ros.image_codec import fill_image
from bisenet_ros.live.events import BAD_INPUT, emit
from bisenet_ros.live.sources import Source, View, open_source
from bisenet_ros.node.signals import on_stop_signal

FRAME_ID = 'camera'
PREFETCHED = 30
"""Frames that are made ahead, so that a slow one does not delay the camera."""

_TRUTH_QOS = QoSProfile(depth=30, reliability=ReliabilityPolicy.RELIABLE)
_MATCHING_PERIOD = 0.02
_TOLERANCE = 0.02


@dataclass(frozen=True)
class _Shot:
    """The messages of one frame, ready but for their stamp; due at a time of the source."""

    time: float
    image: Image
    info: CameraInfo
    truth: Image | None


class Camera:
    """Publishes the frames of a source.

    Args:
        node: The node that publishes.
        source: Where the frames come from.
        stop: Set when the camera is to end early.
    """

    def __init__(self, node: Node, source: Source, stop: threading.Event) -> None:
        self._node = node
        self._source = source
        self._stop = stop
        self._image = node.create_publisher(Image, 'image', qos_profile_sensor_data)
        self._info = node.create_publisher(CameraInfo, 'camera_info', qos_profile_sensor_data)
        self._truth: Publisher | None = None
        if source.has_truth:
            self._truth = node.create_publisher(Image, 'ground_truth/labels', _TRUTH_QOS)

    def run(self) -> None:
        """Publish every frame when it is due, or as soon as it is there.

        Raises:
            UserError: A frame cannot be read.
        """
        with _prefetched(self._shots()) as shots:
            shot = next(shots, None)
            self._wait_for_listeners()
            start = time.monotonic()
            while shot is not None:
                due = start + shot.time
                if self._stop.wait(max(0.0, due - time.monotonic())):
                    return
                late = time.monotonic() - due
                if late > _TOLERANCE:  # delays all that follows: a camera does not catch up
                    start += late
                self._publish(shot)
                shot = next(shots, None)
        emit('end')
        self._stop.wait()

    def _shots(self) -> Iterator[_Shot]:
        matrix = self._source.camera_matrix
        for frame in self._source:
            image, info = Image(), CameraInfo()
            fill_image(image, frame.image, 'bgr8')
            info.height, info.width = frame.image.shape[:2]
            if matrix is not None:
                info.distortion_model = 'plumb_bob'
                info.d = [0.0] * 5
                info.k = matrix.reshape(-1)
                info.r = np.eye(3).reshape(-1)
                info.p = np.column_stack([matrix, np.zeros(3)]).reshape(-1)
            truth: Image | None = None
            if frame.truth is not None:
                truth = Image()
                fill_image(truth, frame.truth, 'mono8')
            yield _Shot(frame.time, image, info, truth)

    def _wait_for_listeners(self) -> None:
        publishers = [self._image] if self._truth is None else [self._image, self._truth]
        while not all(publisher.get_subscription_count() for publisher in publishers):
            if self._stop.wait(_MATCHING_PERIOD):
                return

    def _publish(self, shot: _Shot) -> None:
        now: Time = self._node.get_clock().now()
        for message in (shot.image, shot.info, shot.truth):
            if message is not None:
                message.header.stamp = now.to_msg()
                message.header.frame_id = FRAME_ID
        self._image.publish(shot.image)
        self._info.publish(shot.info)
        if self._truth is not None and shot.truth is not None:
            self._truth.publish(shot.truth)
        emit('published', stamp=now.nanoseconds)


@contextmanager
def _prefetched(shots: Iterator[_Shot]) -> Iterator[Iterator[_Shot]]:
    """The same shots, made ahead in a thread of their own; an exception comes in its place."""
    made: queue.Queue[_Shot | BaseException | None] = queue.Queue(PREFETCHED)
    unwanted = threading.Event()

    def put(item: _Shot | BaseException | None) -> None:
        while not unwanted.is_set():
            try:
                made.put(item, timeout=0.1)
            except queue.Full:
                continue
            return

    def make() -> None:
        try:
            for shot in shots:
                put(shot)
                if unwanted.is_set():
                    return
        except Exception as error:
            put(error)
        else:
            put(None)

    def take() -> Iterator[_Shot]:
        while (item := made.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item

    maker = threading.Thread(target=make, name='frames')
    maker.start()
    try:
        yield take()
    finally:
        unwanted.set()
        maker.join()


def main(arguments: list[str] | None = None) -> int:
    """The camera's process; its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0] if __doc__ else None)
    default = View()
    parser.add_argument('--source', type=Path, default=None)
    parser.add_argument('--seconds', type=float, default=default.seconds)
    parser.add_argument('--seed', type=int, default=default.seed)
    parser.add_argument('--size', type=int, nargs=2, default=default.size)
    parser.add_argument('--rate', type=float, default=default.rate)
    parser.add_argument('--rendered', type=Path, default=None)
    options = parser.parse_args(arguments)
    view = View(
        path=options.source,
        seconds=options.seconds,
        seed=options.seed,
        size=tuple(options.size),
        rate=options.rate,
        rendered=options.rendered,
    )
    stop = threading.Event()
    with on_stop_signal(stop.set):
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        try:
            Camera(rclpy.create_node('camera'), open_source(view), stop).run()
        except UserError as error:
            print(error, file=sys.stderr)
            return BAD_INPUT
        finally:
            rclpy.shutdown()
    return 0


if __name__ == '__main__':
    sys.exit(main())
