# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""output.mcap: what the segmenter gave, under the node's names and with the image's stamps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rosbags.highlevel import AnyReader
from small_bags import START, STEP, Entry, drive, picture, write_bag

from bisenet_ros.replay.reader import ReplayBag
from bisenet_ros.replay.results import ResultsFile, draw
from bisenet_ros.segmenter import Segmenter


def write_results(path: Path, bag: Path, segmenter: Segmenter) -> None:
    with ResultsFile(path) as results:
        for frame in ReplayBag(bag):
            results.write(frame, frame.image(), segmenter(frame.image()))


def messages(path: Path) -> list[tuple[str, int, Any]]:
    with AnyReader([path]) as reader:
        return [
            (connection.topic, received, reader.deserialize(data, connection.msgtype))
            for connection, received, data in reader.messages()
        ]


def test_labels_mask_and_overlay(tmp_path: Path, segmenter: Segmenter) -> None:
    entry = Entry('/front/image', START, picture(0), 'bgr8', delay=7)
    bag = write_bag(tmp_path / 'bag', [entry, *drive(2, '/front')[2:]])
    path = tmp_path / 'output.mcap'
    write_results(path, bag, segmenter)
    assert sorted(tmp_path.iterdir()) == [bag, path]
    written = messages(path)
    topics = [f'/segmentation/{kind}' for kind in ('labels', 'drivable', 'overlay')]
    assert [topic for topic, _, _ in written] == 2 * topics
    assert [received for _, received, _ in written] == 3 * [START + 7] + 3 * [START + STEP]
    result = segmenter(picture(0))
    overlay = draw(picture(0), result)[..., ::-1]
    expected = [(result.labels, 'mono8'), (result.drivable, 'mono8'), (overlay, 'rgb8')]
    for (_, _, message), (pixels, encoding) in zip(written[:3], expected, strict=True):
        stamp = message.header.stamp
        assert (stamp.sec * 10**9 + stamp.nanosec, message.header.frame_id) == (START, 'camera')
        assert (message.encoding, message.step) == (encoding, pixels[0].nbytes)
        np.testing.assert_array_equal(message.data.reshape(pixels.shape), pixels)


def test_several_cameras_keep_their_names(tmp_path: Path, segmenter: Segmenter) -> None:
    entries = [*drive(1, '/front'), *drive(1, '/rear')]
    path = tmp_path / 'output.mcap'
    write_results(path, write_bag(tmp_path / 'bag', entries), segmenter)
    labels = {topic for topic, _, _ in messages(path) if topic.endswith('labels')}
    assert labels == {'/front/segmentation/labels', '/rear/segmentation/labels'}


def test_the_same_bytes_twice(tmp_path: Path, segmenter: Segmenter) -> None:
    bag = write_bag(tmp_path / 'bag', drive(3))
    paths = [tmp_path / 'a' / 'output.mcap', tmp_path / 'b' / 'output.mcap']
    for path in paths:
        path.parent.mkdir()
        write_results(path, bag, segmenter)
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_ros_reads_it(tmp_path: Path, segmenter: Segmenter) -> None:
    serialization = pytest.importorskip('rclpy.serialization', reason='needs ROS 2')
    from sensor_msgs.msg import Image

    path = tmp_path / 'output.mcap'
    write_results(path, write_bag(tmp_path / 'bag', drive(1)), segmenter)
    with AnyReader([path]) as reader:
        images = [serialization.deserialize_message(data, Image) for *_, data in reader.messages()]
    assert [image.encoding for image in images] == ['mono8', 'mono8', 'rgb8']


def test_what_was_not_finished_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / 'output.mcap'
    with pytest.raises(KeyboardInterrupt), ResultsFile(path):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
