# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""output.mcap: what the segmenter gave, under the node's names and with the image's stamps."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from rosbags.highlevel import AnyReader
from small_bags import (
    START,
    STEP,
    Entry,
    InfoEntry,
    drive,
    picture,
    truth_of,
    write_bag,
    write_bag_of_ros_1,
)

from bisenet_ros.bag.reader import RecordedFrame, ReplayBag
from bisenet_ros.camera_pipeline import SegmentedFrame
from bisenet_ros.camera_slot import FrameCounts
from bisenet_ros.drivable import drivable_mask, free_space_boundary, outline
from bisenet_ros.label_space import CAMVID
from bisenet_ros.outputs import OUTPUTS, FrameResult
from bisenet_ros.overlay import overlay
from bisenet_ros.replay.measure.output_bag import OutputBag
from bisenet_ros.segmentation import Segmentation
from bisenet_ros.segmenter import Segmenter

NOT_HERE = ('camera_info', 'grid', 'free_space_scan', 'anomaly')
"""Outputs that need CameraInfo, a pose or statistics of logits."""
KINDS = [output.name for output in OUTPUTS if output.recorded and output.name not in NOT_HERE]
COUNTS = FrameCounts(received=9, published=5, dropped=3, malformed=1)


def result_of(frame: RecordedFrame, segmentation: Segmentation) -> FrameResult:
    segmented = SegmentedFrame(
        '', frame.message, frame.image(), 1.5, segmentation, 20.5, frame.camera_info
    )
    return FrameResult(segmented, overlay_alpha=0.5, age_ms=30.5, counts=COUNTS)


def write_results(
    path: Path, bag: Path, segmenter: Segmenter, *, camera_images: bool = False
) -> None:
    with OutputBag(path, camera_images=camera_images) as outputs:
        for frame in ReplayBag(bag):
            outputs.write(frame, result_of(frame, segmenter(frame.image())))


def messages(path: Path) -> list[tuple[str, int, Any]]:
    with AnyReader([path]) as reader:
        return [
            (connection.topic, received, reader.deserialize(data, connection.msgtype))
            for connection, received, data in reader.messages()
        ]


def test_every_output_of_the_node_is_there(tmp_path: Path, segmenter: Segmenter) -> None:
    entry = Entry('/front/image', START, picture(0), 'bgr8', delay=7)
    bag = write_bag(tmp_path / 'bag', [entry, *drive(2, '/front')[2:]])
    path = tmp_path / 'output.mcap'
    write_results(path, bag, segmenter)
    assert sorted(tmp_path.iterdir()) == [bag, path]
    written = messages(path)
    assert [topic for topic, _, _ in written] == 2 * [f'/segmentation/{kind}' for kind in KINDS]
    number = len(KINDS)
    received = [received for _, received, _ in written]
    assert received == number * [START + 7] + number * [START + STEP]
    first = dict(zip(KINDS, (message for _, _, message in written), strict=False))
    for message in first.values():
        stamp = message.header.stamp
        assert (stamp.sec * 10**9 + stamp.nanosec, message.header.frame_id) == (START, 'camera')
    found = segmenter(picture(0))
    drawn = overlay(picture(0), found.labels, CAMVID, 0.5, drivable=found.drivable)
    expected = {
        'labels': (found.labels, 'mono8'),
        'drivable': (found.drivable, 'mono8'),
        'confidence': (found.confidence, 'mono8'),
        'overlay': (drawn[..., ::-1], 'rgb8'),
    }
    for kind, (pixels, encoding) in expected.items():
        message = first[kind]
        assert (message.encoding, message.step) == (encoding, pixels[0].nbytes)
        np.testing.assert_array_equal(message.data.reshape(pixels.shape), pixels)
    timing = first['timing']
    assert (timing.decode_ms, timing.inference_ms, timing.age_ms) == (1.5, 20.5, 30.5)
    assert math.isnan(timing.publish_ms)
    counts = (timing.frames_in, timing.frames_out, timing.frames_dropped, timing.frames_malformed)
    assert counts == (9, 5, 3, 1)


def test_drivable_area(tmp_path: Path) -> None:
    labels = truth_of(0)
    drivable = drivable_mask(labels, CAMVID.ids_of(['road', 'sky', 'car']))
    confidence = np.random.default_rng(0).integers(0, 256, labels.shape, dtype=np.uint8)
    drawn = SimpleNamespace(labels=labels, drivable=drivable, confidence=confidence, anomaly=None)
    (frame,) = ReplayBag(write_bag(tmp_path / 'bag', drive(1)))
    path = tmp_path / 'output.mcap'
    with OutputBag(path) as outputs:
        outputs.write(frame, result_of(frame, Segmentation(drawn, CAMVID, 0.0)))
    (area,) = (message for topic, _, message in messages(path) if topic.endswith('_area'))
    assert (area.height, area.width) == labels.shape
    assert 0.1 < area.fraction < 0.9
    assert area.fraction == pytest.approx((drivable == 255).mean())
    assert area.confidence == pytest.approx(confidence[drivable == 255].mean() / 255)
    np.testing.assert_array_equal(area.free_space_boundary, free_space_boundary(drivable))
    assert np.isnan(area.free_space_range).all()
    assert area.free_space_range.shape == labels.shape[1:]
    points = [(point.x, point.y) for point in area.outline.points]
    np.testing.assert_array_equal(points, outline(drivable))


def test_a_camera_info_keeps_its_frame_id(tmp_path: Path, segmenter: Segmenter) -> None:
    info = InfoEntry('/camera_info', START, 50.0, frame_id='optical')
    path = tmp_path / 'output.mcap'
    write_results(path, write_bag(tmp_path / 'bag', [info, *drive(1)]), segmenter)
    frame_ids = {topic: message.header.frame_id for topic, _, message in messages(path)}
    assert frame_ids['/segmentation/camera_info'] == 'optical'
    assert frame_ids['/segmentation/labels'] == 'camera'


@pytest.mark.parametrize('encoding', ['bgr8', 'jpeg', 'ROS 1'])
def test_images_of_the_camera_on_request(
    tmp_path: Path, segmenter: Segmenter, encoding: str
) -> None:
    path = tmp_path / 'output.mcap'
    if encoding == 'ROS 1':
        bag = write_bag_of_ros_1(tmp_path / 'drive.bag', drive(2))
    else:
        entry = Entry('/front/image', START, picture(0), encoding, delay=7)
        bag = write_bag(tmp_path / 'bag', [entry])
    write_results(path, bag, segmenter, camera_images=True)
    # What was found lies beside the images, and is not taken for a camera's.
    for frame, copy in zip(ReplayBag(bag), ReplayBag(path), strict=True):
        assert copy.camera.image_topic == frame.camera.image_topic
        assert (copy.stamp, copy.received) == (frame.stamp, frame.received)
        assert copy.message.header.frame_id == 'camera'
        np.testing.assert_array_equal(copy.message.data, frame.message.data)


def test_the_foxglove_layout_fits(tmp_path: Path, segmenter: Segmenter) -> None:
    path = tmp_path / 'output.mcap'
    write_results(path, write_bag(tmp_path / 'bag', drive(1)), segmenter)
    by_topic = {topic: message for topic, _, message in messages(path)}
    layout = Path(__file__).parents[3] / 'config' / 'foxglove_layout.json'
    panels = json.loads(layout.read_text())['configById']
    images = [panel['imageMode']['imageTopic'] for panel in panels.values() if 'imageMode' in panel]
    assert {by_topic[topic].encoding for topic in images} == {'rgb8', 'mono8'}
    lines = [line['value'] for panel in panels.values() for line in panel.get('paths', ())]
    assert len(lines) == 6
    for line in lines:
        topic, _, field = line.partition('.')
        assert isinstance(getattr(by_topic[topic], field), float)


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
    own = pytest.importorskip('bisenet_ros.msg', reason='needs the compiled messages')
    types = {'Image': Image, **vars(own)}
    with AnyReader([path]) as reader:
        found = {
            connection.topic.removeprefix('/segmentation/'): serialization.deserialize_message(
                data, types[connection.msgtype.rpartition('/')[2]]
            )
            for connection, _, data in reader.messages()
        }
    assert {'labels', 'drivable', 'confidence', 'overlay'} < found.keys()
    assert (found['labels'].encoding, found['overlay'].encoding) == ('mono8', 'rgb8')
    assert len(found['drivable_area'].free_space_boundary) == found['drivable_area'].width == 64
    assert found['timing'].inference_ms == 20.5


def test_what_was_not_finished_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / 'output.mcap'
    with pytest.raises(KeyboardInterrupt), OutputBag(path):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
