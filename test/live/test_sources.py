# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What can be played."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from small_videos import write_broken_off_video

from bisenet_ros.bag.writer import BagWriter
from bisenet_ros.errors import UserError
from bisenet_ros.label_space import CAMVID
from bisenet_ros.live.rendering import Rendering, render
from bisenet_ros.live.sources import FOLDER_RATE, Frames, Source, main_source, open_source
from bisenet_ros.media import VideoWriter
from bisenet_ros.synthetic.drive import SyntheticDrive


def gray(value: int) -> npt.NDArray[np.uint8]:
    return np.full((64, 96, 3), value, np.uint8)


def times(frames: Frames) -> list[float]:
    """Seconds since the first frame, by when they were recorded."""
    received = [frame.received for frame in frames]
    return [(time - received[0]) / 1e9 for time in received]


def test_a_rendered_drive_is_the_drive_as_a_bag(tmp_path: Path) -> None:
    done = []
    render(Rendering(3, (96, 64), 10.0, 6), tmp_path / 'bag', lambda: done.append(1))
    assert len(done) == 6
    drive = SyntheticDrive(3, (96, 64), 10)
    source = open_source(Source(tmp_path / 'bag', seconds=0.5))
    assert times(source) == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    for frame in source:
        image, truth = drive.frame(frame.index)
        np.testing.assert_array_equal(frame.image(), image)
        np.testing.assert_array_equal(frame.truth(CAMVID), truth)
        info = frame.camera_info
        assert (info.width, info.height) == (96, 64)
        np.testing.assert_array_equal(info.k.reshape(3, 3), drive.camera_matrix)
        assert info.header.frame_id == frame.message.header.frame_id == 'camera'


def test_a_folder_of_images(tmp_path: Path) -> None:
    for index in range(12):
        cv2.imwrite(str(tmp_path / f'{index}.png'), gray(index))
    source = open_source(main_source(tmp_path, seconds=0.5))
    assert source.frame_count == 8
    assert [camera.name for camera in source.cameras] == ['']
    frames = list(source)
    assert [int(frame.image()[0, 0, 0]) for frame in frames] == list(range(8))
    assert [frame.index for frame in frames] == list(range(8))
    assert times(source) == pytest.approx([index / FOLDER_RATE for index in range(8)])


def test_a_video(tmp_path: Path) -> None:
    path = tmp_path / 'clip.webm'
    with VideoWriter(path, rate=5) as writer:
        for value in range(0, 200, 20):
            writer.write(gray(value))
    source = open_source(main_source(path, seconds=1))
    assert source.frame_count == 5
    assert times(source) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8])
    shown = [int(frame.image().mean()) for frame in source]
    assert shown == pytest.approx([0, 20, 40, 60, 80], abs=3)
    assert source.problem == ''


def test_a_video_that_breaks_off(tmp_path: Path) -> None:
    path = tmp_path / 'clip.webm'
    write_broken_off_video(path, 24)
    cut = open_source(main_source(path, seconds=9))
    assert 1 < len(list(cut)) < 12
    assert cut.problem == f'{path} ends after {len(list(cut))} of 24 frames'
    start = open_source(main_source(path, seconds=0.15))
    assert len(list(start)) == 1
    assert start.problem == ''  # the end is not needed


def test_a_bag_keeps_its_own_times_and_its_truth(tmp_path: Path) -> None:
    with BagWriter(tmp_path / 'bag', 'mcap') as bag:
        for value, milliseconds in ((10, 0), (20, 70), (30, 250)):
            stamp = 10**18 + milliseconds * 10**6
            bag.write('/front/image_raw', stamp, 'front', gray(value), 'bgr8')
            if value != 20:
                truth = np.full((64, 96), value, np.uint8)
                bag.write('/front/ground_truth/labels', stamp, 'front', truth, 'mono8')
        bag.write('/rear/image_raw', 10**18, 'rear', gray(0), 'bgr8')
    source = open_source(main_source(tmp_path / 'bag', seconds=0.26))
    assert source.frame_count == 3
    assert '/front/image_raw' in source.name
    for _ in range(2):
        assert times(source) == pytest.approx([0, 0.07, 0.25])
        truths = [frame.truth(CAMVID) for frame in source]
        assert [None if truth is None else int(truth[0, 0]) for truth in truths] == [10, None, 30]
    every = open_source(Source(tmp_path / 'bag'))
    assert [camera.name for camera in every.cameras] == ['front', 'rear']
    assert every.frame_count == len(list(every)) == 4


def test_a_bag_with_pictures_in_its_folder_is_a_bag(tmp_path: Path) -> None:
    with BagWriter(tmp_path / 'bag', 'mcap') as bag:
        bag.write('/image', 10**18, '', gray(7), 'bgr8')
    cv2.imwrite(str(tmp_path / 'bag' / 'preview.png'), gray(1))
    (frame,) = open_source(Source(tmp_path / 'bag'))
    assert frame.image()[0, 0, 0] == 7


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('nowhere', 'no such file or folder'),
        ('empty', 'has neither images nor a rosbag2'),
        ('notes.txt', 'not a bag: give a rosbag2 folder, or an .mcap, .db3 or .bag file'),
        ('clip.mp4', 'not a video that OpenCV can read'),
    ],
)
def test_what_is_no_source(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / 'empty').mkdir()
    for file in ('notes.txt', 'clip.mp4'):
        (tmp_path / file).write_text('neither video nor bag')
    with pytest.raises(UserError, match=message):
        open_source(main_source(tmp_path / name, 1))


def test_a_bag_without_images_names_its_topics(tmp_path: Path) -> None:
    with BagWriter(tmp_path / 'bag', 'sqlite3') as bag:
        bag.write('/ground_truth/labels', 10**18, '', np.zeros((64, 96), np.uint8), 'mono8')
    with pytest.raises(UserError, match='no images in this bag; its topics: /ground_truth/labels'):
        open_source(main_source(tmp_path / 'bag', 1))
