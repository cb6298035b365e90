# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Plays the frames of a source to a running node in real time, as camera drivers would.

    python3 -m bisenet_ros.live.player SOURCE [--rate 1.0] [--restamp] [--image-topic T]

`image` or `image/compressed` and `camera_info` are published with best effort (sensor data), and
`ground_truth/labels` reliably. Each is published only while it has a subscriber. The player first
emits `ready` with the cameras that have decodable frames. Then it publishes one frame of each
repeatedly, with a new stamp, so that the node can answer. After a line on standard input it
publishes every frame once, emits `published` for each, then `end`. It exits on a signal, or when
standard input closes.
"""

from __future__ import annotations

import argparse
import math
import os
import posixpath
import sys
import threading
import time
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
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
from bisenet_ros.errors import BAD_INPUT, UserError
from bisenet_ros.image_codec import ImageError
from bisenet_ros.live.events import emit
from bisenet_ros.live.sources import Frames, Source, open_source
from bisenet_ros.signals import on_stop_signal
from bisenet_ros.stamps import nanoseconds, seconds_and_nanoseconds

PROBE_PERIOD = 1.0
"""Seconds between two probe frames while the node does not answer."""

PREFETCHED = 10
"""Number of frames to read ahead, so that a slow read does not delay the camera."""

_TRUTH_QOS = QoSProfile(depth=30, reliability=ReliabilityPolicy.RELIABLE)
_MATCHING_PERIOD = 0.02
_TOLERANCE = 0.02


class CameraTopics:
    """Publishes the frames of one camera.

    Args:
        node: The node that publishes.
        camera: The camera of the frames.
    """

    def __init__(self, node: Node, camera: Camera) -> None:
        self._typestore = get_typestore(Stores.LATEST)
        images, sensor_data = posixpath.join('/', camera.name, 'image'), qos_profile_sensor_data
        self._image: Publisher = (
            node.create_publisher(CompressedImage, f'{images}/compressed', sensor_data)
            if camera.compressed
            else node.create_publisher(Image, images, sensor_data)
        )
        self._info: Publisher | None = None
        if camera.camera_info_topic is not None:
            topic = posixpath.join('/', camera.name, 'camera_info')
            self._info = node.create_publisher(CameraInfo, topic, sensor_data)
        self._truth: Publisher | None = None
        if camera.labels_topic is not None:
            topic = posixpath.join('/', camera.name, 'ground_truth/labels')
            self._truth = node.create_publisher(Image, topic, _TRUTH_QOS)

    @property
    def heard(self) -> bool:
        """Whether the images have a subscriber."""
        listeners: int = self._image.get_subscription_count()
        return listeners > 0

    def publish(self, frame: RecordedFrame, stamp: int) -> None:
        """Publishes a frame with its CameraInfo and ground truth.

        A CameraInfo of another stamp keeps its distance in time from the frame, as far as stamps
        reach.

        Args:
            frame: The frame.
            stamp: Stamp for the header of the image, nanoseconds.
        """
        info, stamp_of_info = frame.camera_info, stamp
        if info is None and frame.latest_info is not None:
            info = frame.latest_info
            stamp_of_info += nanoseconds(info.header.stamp) - frame.stamp
        for publisher, message, its_stamp in (
            (self._info, info, stamp_of_info),
            (self._image, frame.message, stamp),
            (self._truth, frame.truth_message, stamp),
        ):
            if publisher is None or message is None or not publisher.get_subscription_count():
                continue
            publisher.publish(self._serialized(message, its_stamp))

    def _serialized(self, message: Any, stamp: int) -> bytes:
        """Returns a message with another stamp as CDR; messages may be published repeatedly."""
        seconds, rest = seconds_and_nanoseconds(stamp)
        header = message.header
        header = replace(header, stamp=replace(header.stamp, sec=seconds, nanosec=rest))
        stamped = replace(message, header=header)
        return bytes(self._typestore.serialize_cdr(stamped, message.__msgtype__))


class Player:
    """Plays the frames of a source.

    Args:
        node: The node that publishes.
        frames: The frames to play.
        rate: Playback speed, relative to the recording.
        restamp: Stamp frames with the time of publication, instead of their own stamps.
        play: Set to start playing.
        stop: Set to stop early.
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
        """Probes the node until `play` is set, then plays.

        Raises:
            UserError: None of the frames can be decoded, or a frame cannot be read.
        """
        self._probe(_first_frames(self._frames))
        # The evaluation of the bag reports the damage; the frames before it have been played.
        with suppress(BagError), closing(_prefetched(iter(self._frames))) as frames:
            self._publish_all(frames)
        emit('end')
        self._stop.wait()

    def _probe(self, probes: list[RecordedFrame]) -> None:
        # With the size (width, height) of the images.
        emit('ready', cameras={one.camera.name: one.image().shape[1::-1] for one in probes})
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
            if late > _TOLERANCE:  # shift all later frames: a camera does not catch up
                start += late
            stamp = time.time_ns() if self._restamp else frame.stamp
            published = time.monotonic_ns()
            self._topics[frame.camera.image_topic].publish(frame, stamp)
            emit('published', camera=frame.camera.name, stamp=stamp, time=published)


def _first_frames(frames: Frames) -> list[RecordedFrame]:
    """Returns the first decodable frame of each camera, to probe the node with."""
    found: dict[str, RecordedFrame] = {}
    reason = ''
    with suppress(BagError):  # take the frames before the damage
        for frame in frames:
            topic = frame.camera.image_topic
            if topic not in found:
                try:
                    frame.image()
                    found[topic] = frame
                except ImageError as error:
                    reason = reason or f'; the first: {error}'
            if len(found) == len(frames.cameras):
                break
    if not found:
        raise UserError(f'{frames.name}: none of the frames can be used{reason}')
    return list(found.values())


def _prefetched(frames: Iterator[RecordedFrame]) -> Generator[RecordedFrame]:
    """Yields the same frames, read ahead in a thread."""
    with ThreadPoolExecutor(1, thread_name_prefix='frames') as thread:
        read = deque(thread.submit(next, frames, None) for _ in range(PREFETCHED))
        while (frame := read.popleft().result()) is not None:
            yield frame
            # Only after publishing, because two busy threads delay each other.
            read.append(thread.submit(next, frames, None))


def _wait_for_word(play: threading.Event, stop: threading.Event) -> None:
    """Sets `play` at a line on standard input, and `stop` when it is closed."""
    # Not sys.stdin, whose lock this thread would still hold when the interpreter exits.
    if os.read(sys.stdin.fileno(), 1):
        play.set()
        while os.read(sys.stdin.fileno(), 1):
            pass
    stop.set()
    play.set()


def main(arguments: list[str] | None = None) -> int:
    """Runs the player; returns its exit code."""
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
