# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Checks that the node of segment.launch.py labels a frame and ends cleanly with the launch.

    launch_test test/launch_test_segmenter.py [weights:=FILE]

`colcon test` runs it, and test_launch.py does if launch_testing is installed.
"""

from __future__ import annotations

import threading
import unittest
from pathlib import Path

import launch_testing.actions
import numpy as np
import rclpy
from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch_testing.asserts import assertExitCodes
from launch_testing.proc_info_handler import ActiveProcInfoHandler
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

from bisenet_ros.image_codec import image_fields
from bisenet_ros.node.publishers import to_message

TIMEOUT = 90.0
"""Seconds; on an idle machine the labels arrive within five."""


def generate_test_description() -> LaunchDescription:
    """Includes the launch file as users do, with a namespace and an image topic."""
    file = Path(get_package_share_directory('bisenet_ros'), 'launch', 'segment.launch.py')
    return LaunchDescription(
        [
            DeclareLaunchArgument('weights', default_value='camvid', description='The network'),
            IncludeLaunchDescription(
                PythonLaunchDescriptionSource(str(file)),
                launch_arguments={
                    'namespace': 'robot',
                    'image': 'camera/image_raw',
                    'device': 'cpu',
                }.items(),
            ),
            launch_testing.actions.ReadyToTest(),
        ]
    )


class TestNode(unittest.TestCase):
    """Tests of the running node."""

    def test_a_frame_comes_back_as_labels_of_its_size_and_stamp(self) -> None:
        rclpy.init()
        self.addCleanup(rclpy.try_shutdown)
        node = rclpy.create_node('camera', namespace='robot')
        sent = to_message(Image, image_fields(np.full((48, 64, 3), 128, np.uint8), 'bgr8'))
        sent.header.frame_id = 'front_optical'
        sent.header.stamp.sec = 42
        publisher = node.create_publisher(Image, 'camera/image_raw', qos_profile_sensor_data)
        node.create_timer(0.1, lambda: publisher.publish(sent))
        received: list[Image] = []
        arrived = threading.Event()

        def take(labels: Image) -> None:
            received.append(labels)
            arrived.set()

        node.create_subscription(Image, 'segmentation/labels', take, qos_profile_sensor_data)
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        stopped = rclpy.task.Future()
        spinning = threading.Thread(target=executor.spin_until_future_complete, args=(stopped,))
        spinning.start()
        came = arrived.wait(TIMEOUT)
        executor.create_task(lambda: stopped.set_result(None))  # Humble needs a callback
        spinning.join()
        node.destroy_node()

        assert came, f'no labels within {TIMEOUT} s'
        labels = received[0]
        assert labels.header == sent.header
        assert (labels.width, labels.height) == (sent.width, sent.height)
        assert labels.encoding == 'mono8'


@launch_testing.post_shutdown_test()
class TestEnd(unittest.TestCase):
    """Tests after the node was interrupted as by Ctrl-C."""

    def test_the_node_ends_with_0(self, proc_info: ActiveProcInfoHandler) -> None:
        assertExitCodes(proc_info)
