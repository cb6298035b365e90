# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the demo's camera can be made to see."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from bisenet_ros.bag.writer import BagWriter
from bisenet_ros.errors import UserError
from bisenet_ros.live.rendering import render
from bisenet_ros.live.sources import FOLDER_RATE, View, open_source
from bisenet_ros.media import VideoWriter

SIZE = (96, 64)


def gray(value: int) -> npt.NDArray[np.uint8]:
    return np.full((64, 96, 3), value, np.uint8)


def test_the_synthetic_drive_has_truth_and_lasts_as_long_as_it_should() -> None:
    source = open_source(View(seconds=0.5, size=SIZE, rate=10))
    frames = list(source)
    assert [frame.time for frame in frames] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert (source.frame_count, source.has_truth) == (5, True)
    for frame in frames:
        assert frame.image.shape == (64, 96, 3)
        assert frame.truth is not None
        assert frame.truth.shape == (64, 96)


def test_a_rendered_drive_is_the_same_drive(tmp_path: Path) -> None:
    view = View(seconds=0.6, seed=3, size=SIZE, rate=10)
    done = []
    render(view, 6, tmp_path, lambda: done.append(1))
    assert len(done) == 6
    rendered = View(seconds=0.6, seed=3, size=SIZE, rate=10, rendered=tmp_path)
    for expected, frame in zip(open_source(view), open_source(rendered), strict=True):
        assert frame.time == expected.time
        np.testing.assert_array_equal(frame.image, expected.image)
        np.testing.assert_array_equal(frame.truth, expected.truth)


def test_a_folder_of_images(tmp_path: Path) -> None:
    for index in range(12):
        cv2.imwrite(str(tmp_path / f'{index}.png'), gray(index))
    source = open_source(View(tmp_path, seconds=0.5))
    frames = list(source)
    assert [int(frame.image[0, 0, 0]) for frame in frames] == list(range(8))
    assert [frame.time for frame in frames] == [index / FOLDER_RATE for index in range(8)]
    assert (source.frame_count, source.has_truth) == (8, False)


def test_a_video(tmp_path: Path) -> None:
    path = tmp_path / 'clip.webm'
    with VideoWriter(path, rate=5) as writer:
        for value in range(0, 200, 20):
            writer.write(gray(value))
    source = open_source(View(path, seconds=1))
    assert source.frame_count == 5
    frames = list(source)
    assert [frame.time for frame in frames] == [0, 0.2, 0.4, 0.6, 0.8]
    assert [int(frame.image.mean()) for frame in frames] == pytest.approx(
        [0, 20, 40, 60, 80], abs=3
    )


def test_a_bag_keeps_its_own_times_and_joins_truth_by_stamp(tmp_path: Path) -> None:
    with BagWriter(tmp_path / 'bag', 'mcap') as bag:
        for value, milliseconds in ((10, 0), (20, 70), (30, 250)):
            stamp = 10**18 + milliseconds * 10**6
            bag.write('/front/image_raw', stamp, 'front', gray(value), 'bgr8')
            if value != 20:
                truth = np.full((64, 96), value, np.uint8)
                bag.write('/front/ground_truth/labels', stamp, 'front', truth, 'mono8')
    source = open_source(View(tmp_path / 'bag'))
    assert (source.frame_count, source.has_truth) == (3, True)
    assert '/front/image_raw' in source.name
    for _ in range(2):
        frames = list(source)
        assert [frame.time for frame in frames] == pytest.approx([0, 0.07, 0.25])
        assert [int(frame.image[0, 0, 0]) for frame in frames] == [10, 20, 30]
        truths = [None if frame.truth is None else int(frame.truth[0, 0]) for frame in frames]
        assert truths == [10, None, 30]


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('nowhere', 'no such file or folder'),
        ('empty', 'neither images nor a rosbag2'),
        ('notes.txt', 'not a bag that can be read'),
        ('clip.mp4', 'not a video that OpenCV reads'),
    ],
)
def test_what_is_no_source(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / 'empty').mkdir()
    for file in ('notes.txt', 'clip.mp4'):
        (tmp_path / file).write_text('neither video nor bag')
    with pytest.raises(UserError, match=message):
        open_source(View(tmp_path / name))


def test_a_bag_without_images_names_its_topics(tmp_path: Path) -> None:
    with BagWriter(tmp_path / 'bag', 'sqlite3') as bag:
        bag.write('/ground_truth/labels', 10**18, '', np.zeros((64, 96), np.uint8), 'mono8')
    with pytest.raises(UserError, match='no images in this bag; its topics: /ground_truth/labels'):
        open_source(View(tmp_path / 'bag'))
