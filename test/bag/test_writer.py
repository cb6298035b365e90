# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is written here is what ROS itself reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import yaml
from rosbags.highlevel import AnyReader

from bisenet_ros.bag.reader import ReplayBag
from bisenet_ros.bag.writer import BagWriter
from bisenet_ros.image_codec import image_fields
from bisenet_ros.message_types import IMAGE_TYPE

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


def test_every_stamp_that_a_message_can_have_is_kept(
    tmp_path: Path, image: npt.NDArray[np.uint8]
) -> None:
    ends = (-(2**31) * 10**9, (2**31 - 1) * 10**9 + 2**32 - 1)
    with BagWriter(tmp_path / 'bag', 'mcap') as bag:
        for stamp in ends:
            bag.write_message(
                '/image', IMAGE_TYPE, stamp, 'front', image_fields(image, 'bgr8'), received=STAMP
            )
    assert [frame.stamp for frame in ReplayBag(tmp_path / 'bag')] == list(ends)


def test_metadata_offers_reliable_images(tmp_path: Path, image: npt.NDArray[np.uint8]) -> None:
    with BagWriter(tmp_path / 'bag', 'sqlite3') as bag:
        bag.write('/image', STAMP, 'front', image, 'bgr8')
    text = (tmp_path / 'bag' / 'metadata.yaml').read_text()
    metadata = yaml.safe_load(text)['rosbag2_bagfile_information']
    assert (metadata['storage_identifier'], metadata['message_count']) == ('sqlite3', 1)
    (topic,) = metadata['topics_with_message_count']
    (offered,) = yaml.safe_load(topic['topic_metadata']['offered_qos_profiles'])
    assert (offered['reliability'], offered['durability'], offered['history']) == (1, 2, 1)


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
@pytest.mark.parametrize('profiles', ['', '- {reliability: 1, depth: 10}'])
def test_metadata_may_have_another_quality_of_service_than_the_files(
    tmp_path: Path, image: npt.NDArray[np.uint8], storage: Any, profiles: str
) -> None:
    with BagWriter(tmp_path / 'bag', storage) as bag:
        bag.write('/image', STAMP, 'front', image, 'bgr8')
    file = tmp_path / 'bag' / 'metadata.yaml'
    metadata = yaml.safe_load(file.read_text())
    (topic,) = metadata['rosbag2_bagfile_information']['topics_with_message_count']
    topic['topic_metadata']['offered_qos_profiles'] = profiles
    file.write_text(yaml.safe_dump(metadata))
    (frame,) = ReplayBag(tmp_path / 'bag')
    np.testing.assert_array_equal(frame.image(), image)


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_folder_may_be_called_like_a_ros_1_bag(
    tmp_path: Path, image: npt.NDArray[np.uint8], storage: Any
) -> None:
    with BagWriter(tmp_path / 'drive.bag', storage) as bag:
        bag.write('/image', STAMP, 'front', image, 'bgr8')
    (frame,) = ReplayBag(tmp_path / 'drive.bag')
    np.testing.assert_array_equal(frame.image(), image)


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
@pytest.mark.parametrize('name', ['drive #2', 'drive?mode=memory', 'drive%41', 'café'])
def test_a_path_may_have_characters_with_a_meaning_in_uris(
    tmp_path: Path, image: npt.NDArray[np.uint8], storage: Any, name: str
) -> None:
    folder = tmp_path / name / name
    with BagWriter(folder, storage) as bag:
        bag.write('/image', STAMP, 'front', image, 'bgr8')
    file = folder / (f'{name}.db3' if storage == 'sqlite3' else f'{name}.mcap')
    assert set(tmp_path.rglob('*')) == {folder.parent, folder, file, folder / 'metadata.yaml'}
    for path in (folder, file):
        opened = ReplayBag(path)
        assert opened.files == [file]
        assert [frame.stamp for frame in opened] == [STAMP]
