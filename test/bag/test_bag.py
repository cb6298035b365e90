# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Bags of every kind that rosbags reads; what is written here is what ROS itself reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import yaml
from rosbags.highlevel import AnyReader
from rosbags.rosbag1 import Writer as Rosbag1Writer
from rosbags.rosbag2 import Writer as Rosbag2Writer
from rosbags.typesys import Stores, get_typestore

from bisenet_ros.bag.camera_bag import CameraBag
from bisenet_ros.bag.writer import BagWriter

STAMP = 1_700_000_000_123_456_789


@pytest.fixture
def image() -> npt.NDArray[np.uint8]:
    coarse = np.random.default_rng(0).integers(0, 255, (4, 6, 3), dtype=np.uint8)
    return cv2.resize(coarse, (60, 40), interpolation=cv2.INTER_LINEAR)


def test_ros_reads_what_is_written(tmp_path: Path, image: npt.NDArray[np.uint8]) -> None:
    serialization = pytest.importorskip('rclpy.serialization', reason='needs ROS 2')
    from sensor_msgs.msg import Image

    with BagWriter(tmp_path / 'bag', 'mcap') as bag:
        bag.write('/image', STAMP, 'front', image, 'bgr8')
    with AnyReader([tmp_path / 'bag']) as reader:
        ((_, received, data),) = reader.messages()
    message = serialization.deserialize_message(data, Image)
    assert received == STAMP
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == divmod(STAMP, 10**9)
    assert (message.header.frame_id, message.encoding) == ('front', 'bgr8')
    assert (message.height, message.width, message.step) == (40, 60, 180)
    assert bytes(message.data) == image.tobytes()


def test_metadata_offers_reliable_images(tmp_path: Path, image: npt.NDArray[np.uint8]) -> None:
    with BagWriter(tmp_path / 'bag', 'sqlite3') as bag:
        bag.write('/image', STAMP, 'front', image, 'bgr8')
    text = (tmp_path / 'bag' / 'metadata.yaml').read_text()
    metadata = yaml.safe_load(text)['rosbag2_bagfile_information']
    assert (metadata['storage_identifier'], metadata['message_count']) == ('sqlite3', 1)
    (topic,) = metadata['topics_with_message_count']
    (offered,) = yaml.safe_load(topic['topic_metadata']['offered_qos_profiles'])
    assert (offered['reliability'], offered['durability'], offered['history']) == (1, 2, 1)


def compressed(types: dict[str, Any], header: Any, jpeg: bytes) -> Any:
    return types['sensor_msgs/msg/CompressedImage'](
        header=header, format='bgr8; jpeg compressed bgr8', data=np.frombuffer(jpeg, np.uint8)
    )


def test_compressed_images(tmp_path: Path, image: npt.NDArray[np.uint8]) -> None:
    store = get_typestore(Stores.ROS2_HUMBLE)
    types: dict[str, Any] = store.types
    time = types['builtin_interfaces/msg/Time'](*divmod(STAMP, 10**9))
    header = types['std_msgs/msg/Header'](stamp=time, frame_id='front')
    message = compressed(types, header, cv2.imencode('.jpg', image)[1].tobytes())
    kind = 'sensor_msgs/msg/CompressedImage'
    with Rosbag2Writer(tmp_path / 'bag', version=9) as writer:
        connection = writer.add_connection('/front/compressed', kind, typestore=store)
        writer.write(connection, STAMP + 5, store.serialize_cdr(message, kind))
    (frame,) = CameraBag(tmp_path / 'bag')
    assert (frame.stamp, frame.received, frame.truth) == (STAMP, STAMP + 5, None)
    assert np.abs(frame.image.astype(int) - image).mean() < 5


def test_a_bag_of_ros_1(tmp_path: Path, image: npt.NDArray[np.uint8]) -> None:
    store = get_typestore(Stores.ROS1_NOETIC)
    types: dict[str, Any] = store.types
    time = types['builtin_interfaces/msg/Time'](*divmod(STAMP, 10**9))
    header = types['std_msgs/msg/Header'](seq=1, stamp=time, frame_id='front')
    message = compressed(types, header, cv2.imencode('.png', image)[1].tobytes())
    kind = 'sensor_msgs/msg/CompressedImage'
    with Rosbag1Writer(tmp_path / 'drive.bag') as writer:
        connection = writer.add_connection('/front/compressed', kind, typestore=store)
        writer.write(connection, STAMP + 5, store.serialize_ros1(message, kind))
    (frame,) = CameraBag(tmp_path / 'drive.bag')
    assert (frame.stamp, frame.received) == (STAMP, STAMP + 5)
    np.testing.assert_array_equal(frame.image, image)


def test_the_camera_with_the_topic_of_the_node_comes_first(
    tmp_path: Path, image: npt.NDArray[np.uint8]
) -> None:
    with BagWriter(tmp_path / 'bag', 'mcap') as bag:
        for index in range(3):
            bag.write('/rear/image_raw', STAMP + index, 'rear', image, 'bgr8')
        bag.write('/image', STAMP, 'front', image, 'bgr8')
    assert CameraBag(tmp_path / 'bag').image_topic == '/image'


def test_the_camera_with_the_most_frames_comes_first_otherwise(
    tmp_path: Path, image: npt.NDArray[np.uint8]
) -> None:
    with BagWriter(tmp_path / 'bag', 'mcap') as bag:
        bag.write('/front/image_raw', STAMP, 'front', image, 'bgr8')
        for index in range(3):
            bag.write('/rear/image_raw', STAMP + index, 'rear', image, 'bgr8')
    bag_of_two = CameraBag(tmp_path / 'bag')
    assert (bag_of_two.image_topic, bag_of_two.frame_count) == ('/rear/image_raw', 3)


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_folder_may_be_called_like_a_ros_1_bag(
    tmp_path: Path, image: npt.NDArray[np.uint8], storage: Any
) -> None:
    with BagWriter(tmp_path / 'drive.bag', storage) as bag:
        bag.write('/image', STAMP, 'front', image, 'bgr8')
    (frame,) = CameraBag(tmp_path / 'drive.bag')
    np.testing.assert_array_equal(frame.image, image)
