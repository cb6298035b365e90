# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Plays the frames of a source to a running node, each when it is due, as camera drivers would.

    python3 -m bisenet_ros.live.player SOURCE [--rate 1.0] [--restamp] [--image-topic T]

`image` or `image/compressed` and `camera_info` go out with best effort (sensor data),
`ground_truth/labels` reliably, and only while somebody listens. The player first says on standard
output for which cameras it has frames that can be decoded (`ready`), and publishes one of each
under a stamp of its own, again and again, so that a node has something to answer. When it is told
to by a line on standard input, it publishes every frame once, says so (`published`), then `end`,
and ends when it is asked to, or when nobody is there any more who could.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import rclpy
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from rclpy.signals import SignalHandlerOptions
from rosbags.typesys import Stores, get_typestore
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from bisenet_ros.bag.messages import BagError
from bisenet_ros.bag.reader import Camera, RecordedFrame
from bisenet_ros.errors import UserError
from bisenet_ros.image_codec import ImageError
from bisenet_ros.live.events import BAD_INPUT, emit
from bisenet_ros.live.sources import Frames, Source, open_source
from bisenet_ros.node.signals import on_stop_signal

PROBE_PERIOD = 1.0
"""Seconds for which an answer is awaited before the node is asked again whether it is there."""

PREFETCHED = 10
"""Frames that are read ahead, so that a slow one does not delay the camera."""

_TRUTH_QOS = QoSProfile(depth=30, reliability=ReliabilityPolicy.RELIABLE)
_MATCHING_PERIOD = 0.02
_TOLERANCE = 0.02


class CameraTopics:
    """Publishes the frames of one camera.

    Args:
        node: The node that publishes.
        camera: Whose frames they are.
    """

    def __init__(self, node: Node, camera: Camera) -> None:
        self._typestore = get_typestore(Stores.LATEST)
        images, sensor_data = f'{camera.prefix}/image', qos_profile_sensor_data
        self._image: Publisher = (
            node.create_publisher(CompressedImage, f'{images}/compressed', sensor_data)
            if camera.compressed
            else node.create_publisher(Image, images, sensor_data)
        )
        self._info: Publisher | None = None
        if camera.camera_info_topic is not None:
            topic = f'{camera.prefix}/camera_info'
            self._info = node.create_publisher(CameraInfo, topic, sensor_data)
        self._truth: Publisher | None = None
        if camera.labels_topic is not None:
            topic = f'{camera.prefix}/ground_truth/labels'
            self._truth = node.create_publisher(Image, topic, _TRUTH_QOS)

    @property
    def heard(self) -> bool:
        """Whether somebody listens to the images."""
        listeners: int = self._image.get_subscription_count()
        return listeners > 0

    def publish(self, frame: RecordedFrame, stamp: int) -> None:
        """Publish a frame and what belongs to it.

        Args:
            frame: The frame.
            stamp: Nanoseconds, what the headers say.
        """
        for publisher, message in (
            (self._image, frame.message),
            (self._info, frame.camera_info),
            (self._truth, frame.truth_message),
        ):
            if publisher is None or message is None or not publisher.get_subscription_count():
                continue
            header = message.header
            header.stamp.sec, header.stamp.nanosec = divmod(stamp, 1_000_000_000)
            publisher.publish(self._serialized(message))

    def _serialized(self, message: Any) -> bytes:
        return bytes(self._typestore.serialize_cdr(message, message.__msgtype__))


class Player:
    """Plays the frames of a source.

    Args:
        node: The node that publishes.
        frames: What is played.
        rate: How many times as fast as they were recorded.
        restamp: Whether stamps are the time of publication; else they are as in the headers.
        play: Set when it is to begin.
        stop: Set when it is to end early.
    """

    def __init__(
        self,
        node: Node,
        frames: Frames,
        *,
        rate: float,
        restamp: bool,
        play: threading.Event,
        stop: threading.Event,
    ) -> None:
        self._frames = frames
        self._rate = rate
        self._restamp = restamp
        self._play = play
        self._stop = stop
        self._topics = {camera.image_topic: CameraTopics(node, camera) for camera in frames.cameras}

    def run(self) -> None:
        """Ask for the node until it is time to play, then play.

        Raises:
            UserError: None of the frames can be decoded, or one cannot be read.
        """
        self._probe(_first_frames(self._frames))
        # Who evaluates a bag tells what is wrong with it; what is there has been played.
        with suppress(BagError), closing(_prefetched(iter(self._frames))) as frames:
            self._publish_all(frames)
        emit('end')
        self._stop.wait()

    def _probe(self, probes: list[RecordedFrame]) -> None:
        emit('ready', cameras=[frame.camera.name for frame in probes])
        due = dict.fromkeys(self._topics, -math.inf)
        while not self._play.wait(_MATCHING_PERIOD):
            for frame in probes:
                topic, now = frame.camera.image_topic, time.monotonic()
                if now >= due[topic] and self._topics[topic].heard:
                    due[topic] = now + PROBE_PERIOD
                    self._topics[topic].publish(frame, time.time_ns())

    def _publish_all(self, frames: Iterator[RecordedFrame]) -> None:
        start = time.monotonic()
        first: int | None = None
        for frame in frames:
            first = frame.received if first is None else first
            due = start + (frame.received - first) / 1e9 / self._rate
            if self._stop.wait(max(0.0, due - time.monotonic())):
                return
            late = time.monotonic() - due
            if late > _TOLERANCE:  # delays all that follows: a camera does not catch up
                start += late
            stamp = time.time_ns() if self._restamp else frame.stamp
            published = time.monotonic_ns()
            self._topics[frame.camera.image_topic].publish(frame, stamp)
            emit('published', camera=frame.camera.name, stamp=stamp, time=published)


def _first_frames(frames: Frames) -> list[RecordedFrame]:
    """The first frame of each camera that can be decoded, so that a node can answer it."""
    found: dict[str, RecordedFrame] = {}
    with suppress(BagError):  # those before the damage
        for frame in frames:
            topic = frame.camera.image_topic
            if topic not in found:
                with suppress(ImageError):
                    frame.image()
                    found[topic] = frame
            if len(found) == len(frames.cameras):
                break
    if not found:
        raise UserError(f'{frames.name}: none of the frames can be decoded')
    return list(found.values())


def _prefetched(frames: Iterator[RecordedFrame]) -> Generator[RecordedFrame]:
    """The same frames, read ahead in a thread of their own."""
    with ThreadPoolExecutor(1, thread_name_prefix='frames') as thread:
        read = deque(thread.submit(next, frames, None) for _ in range(PREFETCHED))
        while (frame := read.popleft().result()) is not None:
            yield frame
            # Now that it is published: two threads that work at a time delay each other.
            read.append(thread.submit(next, frames, None))


def _wait_for_word(play: threading.Event, stop: threading.Event) -> None:
    """Set `play` when there is a line on standard input, and `stop` when that is closed."""
    # Not by sys.stdin, whose lock this thread would hold when the interpreter ends.
    if os.read(sys.stdin.fileno(), 1):
        play.set()
        while os.read(sys.stdin.fileno(), 1):
            pass
    stop.set()
    play.set()


def main(arguments: list[str] | None = None) -> int:
    """The player's process; its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0] if __doc__ else None)
    parser.add_argument('source', type=Path)
    parser.add_argument('--image-topic', default=None)
    parser.add_argument('--labels-topic', default=None)
    parser.add_argument('--seconds', type=float, default=math.inf)
    parser.add_argument('--rate', type=float, default=1.0)
    parser.add_argument('--restamp', action='store_true')
    options = parser.parse_args(arguments)
    source = Source(options.source, options.image_topic, options.labels_topic, options.seconds)
    play, stop = threading.Event(), threading.Event()

    def end() -> None:
        stop.set()
        play.set()

    with on_stop_signal(end):
        threading.Thread(target=_wait_for_word, args=(play, stop), daemon=True).start()
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        try:
            Player(
                rclpy.create_node('player'),
                open_source(source),
                rate=options.rate,
                restamp=options.restamp,
                play=play,
                stop=stop,
            ).run()
        except (UserError, OSError) as error:
            print(error, file=sys.stderr)
            return BAD_INPUT
        finally:
            rclpy.shutdown()
    return 0


if __name__ == '__main__':
    sys.exit(main())
