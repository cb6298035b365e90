# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Plays the frames of a bag to a running node, and keeps what comes back.

    python3 -m bisenet_ros.live.player BAG FOLDER [--rate 1.0] [--image-topic T]

It waits until the node answers, then publishes every frame once when its stamp says so, with the
stamp that it has in the bag. It says on standard output when it starts (`ready`), each frame
(`published`) and when all is done (`end`), and ends when it is told to.
"""

from __future__ import annotations

import argparse
import struct
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future
from rosbags.typesys import Stores, get_typestore
from sensor_msgs.msg import CompressedImage, Image

from bisenet_ros.bag.messages import BagError
from bisenet_ros.bag.reader import Camera, RecordedFrame, ReplayBag
from bisenet_ros.bag.recorded_outputs import KINDS, AnswersWriter
from bisenet_ros.errors import UserError
from bisenet_ros.image_codec import ImageError
from bisenet_ros.live.events import BAD_INPUT, emit
from bisenet_ros.live.stamp_matcher import StampMatcher
from bisenet_ros.node.publishers import optional_message
from bisenet_ros.node.signals import on_stop_signal

PROBE_PERIOD = 1.0
"""Seconds for which an answer is awaited before the node is asked again whether it is there."""

LAST_ANSWER_TIMEOUT = 5.0
"""Seconds without an answer after which the frames that are left are taken for dropped."""

# The stamp of a frame that only asks whether the node is there.
_PROBE = 0

_TIMING = 'timing'
_ANSWER_QOS = QoSProfile(depth=30, reliability=ReliabilityPolicy.RELIABLE)
_HEADER = struct.Struct('<4xiI')  # of a serialised message that begins with a stamped header


class Link:
    """One camera's topics: its frames out, the node's answers in.

    The answers come in the thread that spins, everything else is called by the one who plays.

    Attributes:
        answered: Frames that the node has answered.
        probed: Whether it has answered a probe.

    Args:
        node: Of the player.
        camera: Whose frames are played.
        answers: Where answers go.
        arrival: Notified of every complete answer.
    """

    def __init__(
        self,
        node: Node,
        camera: Camera,
        answers: AnswersWriter,
        arrival: threading.Condition,
    ) -> None:
        self._camera = camera
        self._answers = answers
        self._arrival = arrival
        self._typestore = get_typestore(Stores.LATEST)
        self._matcher: StampMatcher[tuple[Any, int]] = StampMatcher((*KINDS, _TIMING))
        self._published: OrderedDict[int, int] = OrderedDict()  # when, by stamp
        self.answered = 0
        self.probed = False
        timing = optional_message('bisenet_ros', 'SegmentationTiming')
        if timing is None:
            raise UserError(
                'the messages of bisenet_ros are not compiled, so a node cannot say how long it '
                "took: build the package with colcon, or 'pip install -v -e .' tells why not"
            )
        images, answered = f'{camera.prefix}/image', f'{camera.prefix}/segmentation'
        self._publisher = (
            node.create_publisher(CompressedImage, f'{images}/compressed', qos_profile_sensor_data)
            if camera.compressed
            else node.create_publisher(Image, images, qos_profile_sensor_data)
        )
        for name in KINDS:
            take = partial(self._take_image, name)
            node.create_subscription(Image, f'{answered}/{name}', take, _ANSWER_QOS, raw=True)
        node.create_subscription(timing, f'{answered}/{_TIMING}', self._take_timing, _ANSWER_QOS)

    @property
    def complete(self) -> bool:
        """Whether every frame was answered that a later answer does not show to be dropped."""
        return not self._published

    def probe(self, frame: RecordedFrame) -> None:
        """Publish a frame under a stamp of its own, to see whether an answer comes."""
        if self._publisher.get_subscription_count():
            frame.message.header.stamp.sec = frame.message.header.stamp.nanosec = _PROBE
            self._publish(frame)

    def play(self, frame: RecordedFrame) -> None:
        """Publish a frame as it is in the bag."""
        with self._arrival:
            self._published[frame.stamp] = time.monotonic_ns()
        self._publish(frame)

    def _publish(self, frame: RecordedFrame) -> None:
        message = frame.message
        self._publisher.publish(bytes(self._typestore.serialize_cdr(message, message.__msgtype__)))

    def _take_image(self, kind: str, data: bytes) -> None:
        seconds, nanoseconds = _HEADER.unpack_from(data)
        self._take(kind, seconds * 1_000_000_000 + nanoseconds, data)

    def _take_timing(self, timing: Any) -> None:
        stamp = timing.header.stamp
        self._take(_TIMING, stamp.sec * 1_000_000_000 + stamp.nanosec, timing)

    def _take(self, kind: str, stamp: int, message: Any) -> None:
        found = self._matcher.add(kind, stamp, (message, time.monotonic_ns()))
        if found is None:
            return
        with self._arrival:
            if stamp == _PROBE:
                self.probed = True
            elif stamp in self._published:
                self._keep(stamp, found)
            self._arrival.notify_all()

    def _keep(self, stamp: int, found: dict[str, tuple[Any, int]]) -> None:
        published = self._published[stamp]
        # The node works in order: whatever is older and has no answer will not get one.
        while self._published.popitem(last=False)[0] != stamp:
            pass
        timing, _ = found[_TIMING]
        times_ms = {
            'decode': timing.decode_ms,
            'inference': timing.inference_ms,
            'total': timing.decode_ms + timing.inference_ms,
            'age': 1e-6 * (found['labels'][1] - published),
        }
        self._answers.write(self._camera, stamp, {kind: found[kind][0] for kind in KINDS}, times_ms)
        self.answered += 1


class Player:
    """Plays a bag.

    Args:
        node: The node that publishes and listens.
        bag: The frames.
        rate: How many times as fast as they were recorded.
        answers: Where answers go.
        stop: Set when it is to end early.
    """

    def __init__(
        self,
        node: Node,
        bag: ReplayBag,
        rate: float,
        answers: AnswersWriter,
        stop: threading.Event,
    ) -> None:
        self._bag = bag
        self._rate = rate
        self._stop = stop
        self._arrival = threading.Condition()
        self._probes = _first_frames(bag)
        self._links = {
            topic: Link(node, frame.camera, answers, self._arrival)
            for topic, frame in self._probes.items()
        }

    def run(self) -> None:
        """Wait for the node, play, and wait for the last answers."""
        self._wait_for_node()
        emit('ready')
        # Who evaluates the bag tells what is wrong with it; what is there has been played.
        with suppress(BagError):
            self._play()
        self._wait_for_answers()
        emit('end')
        self._stop.wait()

    def _wait_for_node(self) -> None:
        while not self._stop.is_set() and not self._all_probed():
            for topic, frame in self._probes.items():
                self._links[topic].probe(frame)
            with self._arrival:
                self._arrival.wait_for(self._all_probed, PROBE_PERIOD)

    def _all_probed(self) -> bool:
        return all(link.probed for link in self._links.values())

    def _play(self) -> None:
        start = time.monotonic()
        first_stamp: int | None = None
        for frame in self._bag:
            first_stamp = frame.stamp if first_stamp is None else first_stamp
            due = start + (frame.stamp - first_stamp) / 1e9 / self._rate
            if self._stop.wait(max(0.0, due - time.monotonic())):
                return
            link = self._links.get(frame.camera.image_topic)
            if link is not None:
                link.play(frame)
            emit('published')

    def _wait_for_answers(self) -> None:
        def answered() -> int:
            return sum(link.answered for link in self._links.values())

        with self._arrival:
            before = -1
            while before != answered() and not all(link.complete for link in self._links.values()):
                before = answered()
                self._arrival.wait(LAST_ANSWER_TIMEOUT)


def _first_frames(bag: ReplayBag) -> dict[str, RecordedFrame]:
    """The first frame of each camera that can be decoded, so that a node can answer it."""
    found: dict[str, RecordedFrame] = {}
    for frame in _whole_frames(bag):
        topic = frame.camera.image_topic
        if topic in found:
            continue
        with suppress(ImageError):
            frame.image()
            found[topic] = frame
        if len(found) == len(bag.cameras):
            break
    if not found:
        raise UserError(f'{bag.path}: none of the frames can be decoded')
    return found


def _whole_frames(bag: ReplayBag) -> Iterator[RecordedFrame]:
    """The frames before what is damaged."""
    with suppress(BagError):
        yield from bag


def main(arguments: list[str] | None = None) -> int:
    """The player's process; its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0] if __doc__ else None)
    parser.add_argument('bag', type=Path)
    parser.add_argument('folder', type=Path)
    parser.add_argument('--rate', type=float, default=1.0)
    parser.add_argument('--image-topic', default=None)
    parser.add_argument('--labels-topic', default=None)
    options = parser.parse_args(arguments)
    stop = threading.Event()
    ended: Future = Future()
    with on_stop_signal(stop.set):
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        executor = SingleThreadedExecutor()
        try:
            bag = ReplayBag(options.bag, options.image_topic, options.labels_topic)
            node = rclpy.create_node('player')
            with AnswersWriter(options.folder) as answers, ThreadPoolExecutor(1) as thread:
                player = Player(node, bag, options.rate, answers, stop)
                executor.add_node(node)
                playing = thread.submit(player.run)
                playing.add_done_callback(lambda _: ended.set_result(None))
                try:
                    executor.spin_until_future_complete(ended)
                finally:
                    stop.set()
                playing.result()
        except (UserError, OSError) as error:
            print(error, file=sys.stderr)
            return BAD_INPUT
        finally:
            executor.shutdown()
            rclpy.shutdown()
    return 0


if __name__ == '__main__':
    sys.exit(main())
