# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which cameras a bag has, which truth is theirs, and every form that a bag comes in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml
from rosbags.rosbag2 import CompressionMode, StoragePlugin
from small_bags import START, STEP, Entry, drive, picture, truth_of, write_bag, write_bag_of_ros_1

from bisenet_ros.bag.messages import BagError
from bisenet_ros.bag.reader import Camera, ReplayBag
from bisenet_ros.media import MediaError, write_image


def split(folder: Path) -> Path:
    """A bag of two files, as rosbag2 splits one."""
    entries = drive(4)
    first, second = write_bag(folder / 'a', entries[:4]), write_bag(folder / 'b', entries[4:])
    metadata = yaml.safe_load((first / 'metadata.yaml').read_text())
    information = metadata['rosbag2_bagfile_information']
    information['relative_file_paths'] = ['a.mcap', 'b.mcap']
    information['message_count'] = 8
    for topic in information['topics_with_message_count']:
        topic['message_count'] = 4
    (first / 'metadata.yaml').write_text(yaml.safe_dump(metadata))
    (second / 'b.mcap').rename(first / 'b.mcap')
    return first


FORMS: dict[str, Callable[[Path], Path]] = {
    'mcap': lambda folder: write_bag(folder / 'bag', drive(4)),
    'mcap file': lambda folder: write_bag(folder / 'bag', drive(4)) / 'bag.mcap',
    'mcap, compressed chunks': lambda folder: write_bag(
        folder / 'bag', drive(4), compression=CompressionMode.STORAGE
    ),
    'sqlite3': lambda folder: write_bag(folder / 'bag', drive(4), storage=StoragePlugin.SQLITE3),
    'sqlite3 file': lambda folder: (
        write_bag(folder / 'bag', drive(4), storage=StoragePlugin.SQLITE3) / 'bag.db3'
    ),
    'sqlite3, compressed file': lambda folder: write_bag(
        folder / 'bag',
        drive(4),
        storage=StoragePlugin.SQLITE3,
        compression=CompressionMode.FILE,
    ),
    'sqlite3, compressed messages': lambda folder: write_bag(
        folder / 'bag',
        drive(4),
        storage=StoragePlugin.SQLITE3,
        compression=CompressionMode.MESSAGE,
    ),
    'split': split,
    'ROS 1': lambda folder: write_bag_of_ros_1(folder / 'drive.bag', drive(4)),
}


@pytest.mark.parametrize('form', FORMS)
def test_frames_and_truth_of_every_form(form: str, tmp_path: Path) -> None:
    bag = ReplayBag(FORMS[form](tmp_path))
    assert bag.cameras == (Camera('', '/image', '/ground_truth/labels', 4),)
    for _ in range(2):  # each iteration starts at the first frame
        frames = list(bag)
        assert [frame.index for frame in frames] == [0, 1, 2, 3]
        for index, frame in enumerate(frames):
            assert frame.stamp == frame.received == START + index * STEP
            np.testing.assert_array_equal(frame.image(), picture(index))
            np.testing.assert_array_equal(frame.truth(), truth_of(index))


@pytest.mark.parametrize('form', FORMS)
def test_damage_is_one_line(form: str, tmp_path: Path) -> None:
    bag = FORMS[form](tmp_path)
    files = sorted(bag.iterdir()) if bag.is_dir() else [bag]
    rng = np.random.default_rng(0)
    complaints: list[str] = []
    for attempt in range(12):
        file = files[attempt % len(files)]
        whole = file.read_bytes()
        damaged = np.frombuffer(whole, np.uint8)[: rng.integers(1, len(whole))].copy()
        damaged[rng.integers(0, len(damaged), 20)] = rng.integers(0, 256, 20)
        file.write_bytes(damaged.tobytes())
        try:
            for _ in ReplayBag(bag):
                pass
        except BagError as error:
            complaints.append(str(error))
        file.write_bytes(whole)
    assert complaints
    assert '\n' not in ''.join(complaints)


def test_compressed_images(tmp_path: Path) -> None:
    entries = [Entry('/front/compressed', START, picture(0), 'png')]
    (frame,) = ReplayBag(write_bag(tmp_path / 'bag', entries))
    np.testing.assert_array_equal(frame.image(), picture(0))
    assert frame.truth() is None


def test_all_cameras_each_with_its_truth(tmp_path: Path) -> None:
    entries = [*drive(2, '/front'), *drive(3, '/rear', truth=False)]
    bag = ReplayBag(write_bag(tmp_path / 'bag', sorted(entries, key=lambda entry: entry.stamp)))
    assert bag.cameras == (
        Camera('front', '/front/image', '/front/ground_truth/labels', 2),
        Camera('rear', '/rear/image', None, 3),
    )
    frames = [(frame.camera.name, frame.index, frame.truth() is None) for frame in bag]
    assert frames == [
        ('front', 0, False),
        ('rear', 0, True),
        ('front', 1, False),
        ('rear', 1, True),
        ('rear', 2, True),
    ]


def test_what_is_no_camera_is_left_out(tmp_path: Path) -> None:
    labels = np.zeros((48, 64), np.uint8)
    entries = [
        Entry('/front/image_raw', START, picture(0), 'bgr8'),
        Entry('/front/image_raw/compressed', START, picture(0), 'jpeg'),
        Entry('/segmentation/labels', START, labels, 'mono8'),
        Entry('/front/segmentation/overlay/compressed', START, picture(0), 'jpeg'),
        Entry('/depth/compressedDepth', START, picture(0), 'png'),
        Entry('/truth', START, labels, 'mono8'),
    ]
    path = write_bag(tmp_path / 'bag', entries)
    assert ReplayBag(path, labels_topic='truth').cameras == (
        Camera('', '/front/image_raw', '/truth', 1),
    )
    named = ReplayBag(path, 'front/image_raw/compressed')
    assert [camera.image_topic for camera in named.cameras] == ['/front/image_raw/compressed']


def test_cameras_of_one_namespace_are_told_apart(tmp_path: Path) -> None:
    entries = [Entry(f'/rig/{side}', START, picture(0), 'bgr8') for side in ('left', 'right')]
    bag = ReplayBag(write_bag(tmp_path / 'bag', entries))
    assert [camera.name for camera in bag.cameras] == ['rig/left', 'rig/right']


def test_truth_is_matched_by_stamp(tmp_path: Path) -> None:
    entries = drive(4)
    del entries[3]  # the truth of frame 1
    entries.insert(0, Entry('/ground_truth/labels', START - STEP, truth_of(9), 'mono8'))
    bag = ReplayBag(write_bag(tmp_path / 'bag', entries))
    assert [frame.truth() is None for frame in bag] == [False, True, False, False]


def test_truth_in_a_folder(tmp_path: Path) -> None:
    path = write_bag(tmp_path / 'bag', drive(4))  # the folder comes before the topic
    folder = tmp_path / 'labels'
    folder.mkdir()
    write_image(folder / 'drive2_000001_labels.png', truth_of(11))
    write_image(folder / f'{START + 3 * STEP}.png', truth_of(13))
    bag = ReplayBag(path, labels_folder=folder)
    first, second, third, fourth = [frame.truth() for frame in bag]
    assert first is third is None
    np.testing.assert_array_equal(second, truth_of(11))
    np.testing.assert_array_equal(fourth, truth_of(13))
    assert bag.labels_folder is not None
    assert bag.labels_folder.problems() == []
    write_image(folder / '77.png', truth_of(7))
    write_image(folder / 'drive_77.png', truth_of(7))
    with pytest.raises(MediaError, match=r'drive_77\.png: the same number as 77\.png'):
        ReplayBag(path, labels_folder=folder)
    (folder / 'drive_77.png').rename(folder / 'drive.png')
    with pytest.raises(MediaError, match=r'drive\.png: no number in the name'):
        ReplayBag(path, labels_folder=folder)
    with pytest.raises(MediaError, match='no label images in this folder'):
        ReplayBag(path, labels_folder=tmp_path / 'bag')


def test_a_truth_that_two_cameras_may_have(tmp_path: Path) -> None:
    entries = [*drive(1), Entry('/rear/image', START, picture(1), 'bgr8')]
    path = write_bag(tmp_path / 'bag', entries)
    with pytest.raises(BagError, match='name the camera with --image-topic'):
        ReplayBag(path)
    with pytest.raises(BagError, match='one truth, but 2 cameras'):
        ReplayBag(path, labels_topic='/ground_truth/labels')
    (camera,) = ReplayBag(path, '/rear/image').cameras
    assert camera.labels_topic == '/ground_truth/labels'


def test_no_bag_there(tmp_path: Path) -> None:
    with pytest.raises(BagError, match='no such file or folder'):
        ReplayBag(tmp_path / 'nowhere')
    (tmp_path / 'empty').mkdir()
    with pytest.raises(BagError, match=r'no bag in this folder: it has no metadata\.yaml'):
        ReplayBag(tmp_path / 'empty')


@pytest.mark.parametrize('storage', [StoragePlugin.SQLITE3, StoragePlugin.MCAP])
def test_a_folder_without_metadata(tmp_path: Path, storage: StoragePlugin) -> None:
    path = write_bag(tmp_path / 'bag', drive(1), storage=storage)
    (path / 'metadata.yaml').unlink()
    with pytest.raises(BagError, match=r'no metadata\.yaml .* give the file .*/bag\.(db3|mcap)'):
        ReplayBag(path)


def test_topics_that_do_not_do(tmp_path: Path) -> None:
    path = write_bag(tmp_path / 'bag', [drive(1)[1]], topics=['/silent'])
    with pytest.raises(BagError, match='no messages on /silent'):
        ReplayBag(path)
    with pytest.raises(BagError, match='no messages on /silent'):
        ReplayBag(path, '/silent')
    with pytest.raises(BagError, match='no topic /else; its topics: /ground_truth/labels, /silent'):
        ReplayBag(path, '/else')
    path = write_bag(tmp_path / 'truth', [drive(1)[1]])
    with pytest.raises(BagError, match='no images in this bag; its topics: /ground_truth/labels'):
        ReplayBag(path)
    entries = [Entry('/front/compressed', START, picture(0), 'png')]
    path = write_bag(tmp_path / 'compressed', entries)
    with pytest.raises(BagError, match='has sensor_msgs/msg/CompressedImage, not sensor_msgs'):
        ReplayBag(path, labels_topic='/front/compressed')
