# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Publishes images like a camera driver: in its own process, best effort, at a steady rate.

node.py and soak.py start it. It publishes one picture, or several in turn, each with the time of
its publication as its stamp. The frame id contains the frame's number and stamp, so that a
subscriber can tell which frames were lost, and whether stamp, frame id and content belong together.
"""

from __future__ import annotations

import argparse
import threading
import time
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image

from bisenet_ros.image_codec import image_fields
from bisenet_ros.node.publishers import to_message
from bisenet_ros.signals import on_stop_signal

QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


class FrameId(NamedTuple):
    """The content of the frame id of a camera image.

    Attributes:
        number: Number of the frame, counted by the camera.
        stamp: (sec, nanosec) of the image.
    """

    number: int
    stamp: tuple[int, int]

    @classmethod
    def read(cls, text: str) -> FrameId:
        """Parses the frame id of a header."""
        number, sec, nanosec = map(int, text.split(','))
        return cls(number, (sec, nanosec))

    def __str__(self) -> str:
        return f'{self.number},{self.stamp[0]},{self.stamp[1]}'


def patches() -> npt.NDArray[np.uint8]:
    """Returns the default picture, (1, 16, 32, 3) BGR."""
    return np.random.default_rng(0).integers(0, 256, (1, 16, 32, 3), np.uint8)


def enlarged(picture: npt.NDArray[np.uint8], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Returns the picture at a camera's (width, height): (height, width, 3)."""
    return np.asarray(cv2.resize(picture, size), np.uint8)


def publish(
    topic: str,
    size: tuple[int, int],
    rate: float,
    pictures: npt.NDArray[np.uint8],
    stop: threading.Event,
) -> None:
    """Publishes frames until `stop` is set; a late frame delays the following ones."""
    node = rclpy.create_node('camera')
    publisher = node.create_publisher(Image, topic, QOS)
    images = [
        to_message(Image, image_fields(enlarged(picture, size), 'bgr8')) for picture in pictures
    ]
    number = 0
    due = time.monotonic()
    while not stop.wait(max(0.0, due - time.monotonic())):
        image = images[number % len(images)]
        image.header.stamp = stamp = node.get_clock().now().to_msg()
        image.header.frame_id = str(FrameId(number, (stamp.sec, stamp.nanosec)))
        publisher.publish(image)
        number += 1
        due = max(due + 1 / rate, time.monotonic())
    node.destroy_node()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('topic')
    parser.add_argument('--size', type=int, nargs=2, required=True, metavar=('W', 'H'))
    parser.add_argument('--rate', type=float, required=True, metavar='HZ')
    parser.add_argument('--pictures', help='a .npy file: (N, H, W, 3) BGR')
    options = parser.parse_args()
    pictures = np.load(options.pictures) if options.pictures else patches()
    stop = threading.Event()
    with on_stop_signal(stop.set):
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        publish(options.topic, tuple(options.size), options.rate, pictures, stop)
        rclpy.shutdown()


if __name__ == '__main__':
    main()
