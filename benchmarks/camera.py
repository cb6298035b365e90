# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A camera as drivers are, for benchmarks/node.py: one process, best effort, a steady rate.

It shows the same frame again and again, each time with the time of its publication as its stamp and
its number as its frame id, so that whoever hears of it can tell what got lost.
"""

from __future__ import annotations

import argparse
import threading
import time

import cv2
import numpy as np
import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Image

from bisenet_ros.image_codec import fill_image
from bisenet_ros.node.signals import on_stop_signal

QOS = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)


def publish(topic: str, size: tuple[int, int], rate: float, stop: threading.Event) -> None:
    """Publish until it is time to stop; a frame that is late delays those after it."""
    node = rclpy.create_node('camera')
    publisher = node.create_publisher(Image, topic, QOS)
    patches = np.random.default_rng(0).integers(0, 256, (16, 32, 3), np.uint8)
    image = Image()
    fill_image(image, np.asarray(cv2.resize(patches, size), np.uint8), 'bgr8')
    number = 0
    due = time.monotonic()
    while not stop.wait(max(0.0, due - time.monotonic())):
        image.header.stamp = node.get_clock().now().to_msg()
        image.header.frame_id = str(number)
        publisher.publish(image)
        number += 1
        due = max(due + 1 / rate, time.monotonic())
    node.destroy_node()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('topic')
    parser.add_argument('--size', type=int, nargs=2, required=True, metavar=('W', 'H'))
    parser.add_argument('--rate', type=float, required=True, metavar='HZ')
    options = parser.parse_args()
    stop = threading.Event()
    with on_stop_signal(stop.set):
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
        publish(options.topic, tuple(options.size), options.rate, stop)
        rclpy.shutdown()


if __name__ == '__main__':
    main()
