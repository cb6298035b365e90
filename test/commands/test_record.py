# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`bisenet record`: what it writes is read back with rosbags, and bad input leaves nothing."""

from __future__ import annotations

import re
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from command_line import bisenet
from rosbags.highlevel import AnyReader
from typer.testing import Result

from bisenet_ros.bag.reader import Camera, ReplayBag
from bisenet_ros.image_codec import decode_labels
from bisenet_ros.label_space import CAMVID
from bisenet_ros.media import read_image

# Records, and gets a signal when the second frame is read.
SIGNALLED = """
import signal, sys
from bisenet_ros import cli
from bisenet_ros.commands import record

read_image, number = record.read_image, int(sys.argv.pop(1))
# Whoever started the tests may ignore the signal, as nohup does.
signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
def signalled(path):
    if path.stem == 'f9':
        signal.raise_signal(number)
    return read_image(path)
record.read_image = signalled
cli.main()
"""


class Drive:
    """Three frames of 48x32 as PNG in natural, not alphabetic order, and their truth."""

    def __init__(self, folder: Path) -> None:
        rng = np.random.default_rng(0)
        self.frames = folder / 'frames'
        self.labels = folder / 'labels'
        self.names = ['f8', 'f9', 'f10']
        self.images: list[npt.NDArray[np.uint8]] = []
        self.truths: list[npt.NDArray[np.uint8]] = []
        for path in (self.frames, self.labels):
            path.mkdir()
        for name in self.names:
            image = rng.integers(0, 256, (32, 48, 3), dtype=np.uint8)
            truth = rng.integers(0, 12, (32, 48), dtype=np.uint8)  # 11: no class, as in CamVid
            truth[0, 0] = 255
            cv2.imwrite(str(self.frames / f'{name}.png'), image)
            cv2.imwrite(str(self.labels / f'{name}.png'), truth)
            self.images.append(image)
            self.truths.append(truth)


@pytest.fixture
def drive(tmp_path: Path) -> Drive:
    return Drive(tmp_path)


def record(*arguments: str | Path) -> Result:
    return bisenet('record', *arguments)


def messages(bag: Path) -> list[tuple[str, int, Any]]:
    """(topic, time of reception, message) of all that is in a bag."""
    with AnyReader([bag]) as reader:
        return [
            (connection.topic, received, reader.deserialize(data, connection.msgtype))
            for connection, received, data in reader.messages()
        ]


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_frames_and_truth_are_written_with_equal_stamps(
    drive: Drive, weights: Path, tmp_path: Path, storage: str
) -> None:
    bag = tmp_path / 'new' / 'bag'
    result = record(
        drive.frames, '-o', bag, '--labels', drive.labels, '--rate', '8', '--storage', storage,
        '--weights', weights,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    written = messages(bag)
    assert [topic for topic, _, _ in written] == ['/image', '/ground_truth/labels'] * 3
    start = written[0][1]
    for index in range(3):
        (_, received, image), (_, labels_received, labels) = written[2 * index : 2 * index + 2]
        assert received == labels_received == start + index * 125_000_000
        for message in (image, labels):
            assert message.header.frame_id == 'camera'
            stamp = message.header.stamp
            assert stamp.sec * 1_000_000_000 + stamp.nanosec == received
            assert (message.width, message.height) == (48, 32)
        assert (image.encoding, image.step) == ('bgr8', 144)
        np.testing.assert_array_equal(image.data.reshape(32, 48, 3), drive.images[index])
        assert (labels.encoding, labels.step) == ('mono8', 48)
        truth = drive.truths[index]
        np.testing.assert_array_equal(
            labels.data.reshape(32, 48), np.where(truth == 11, 255, truth)
        )


def test_the_same_frames_give_the_same_stamps(drive: Drive, tmp_path: Path) -> None:
    for name in 'ab':
        assert record(drive.frames, '-o', tmp_path / name).exit_code == 0
    a, b = ([received for _, received, _ in messages(tmp_path / name)] for name in 'ab')
    assert a == b
    assert np.diff(a).tolist() == [66_666_667, 66_666_666]


def test_frames_and_truth_are_read_back(drive: Drive, weights: Path, tmp_path: Path) -> None:
    bag = tmp_path / 'bag'
    assert record(drive.frames, '-o', bag, '--weights', weights).exit_code == 0
    without = ReplayBag(bag)
    assert without.cameras == (Camera('', '/image', None, 3),)
    assert [frame.truth(CAMVID) for frame in without] == [None] * 3

    bag = tmp_path / 'bag with truth'
    record(drive.frames, '-o', bag, '--labels', drive.labels, '--weights', weights)
    frames = list(ReplayBag(bag))
    for frame, image, truth in zip(frames, drive.images, drive.truths, strict=True):
        np.testing.assert_array_equal(frame.image(), image)
        written = decode_labels(frame.truth_message)
        np.testing.assert_array_equal(written, np.where(truth == 11, 255, truth))


def test_a_bag_is_never_overwritten(drive: Drive, tmp_path: Path) -> None:
    bag = tmp_path / 'bag'
    bag.mkdir()
    result = record(drive.frames, '-o', bag)
    assert result.exit_code == 2
    assert 'exists already' in result.stderr
    assert list(bag.iterdir()) == []


def test_of_two_recordings_to_one_bag_the_first_to_finish_stays(
    drive: Drive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bag = tmp_path / 'bag'

    def read_after_another_recording(path: Path) -> npt.NDArray[np.uint8]:
        monkeypatch.undo()
        assert record(drive.frames, '-o', bag).exit_code == 0
        return read_image(path)

    monkeypatch.setattr('bisenet_ros.commands.record.read_image', read_after_another_recording)
    result = record(drive.frames, '-o', bag, '--rate', '5')
    assert result.exit_code == 2
    assert f'bisenet: {bag} exists already: choose another name' in result.stderr
    assert len(list(ReplayBag(bag))) == 3
    assert list(tmp_path.glob('.bag.*')) == []


def fails(drive: Drive, weights: Path, message: str) -> None:
    folder = drive.frames.parent
    result = record(
        drive.frames, '-o', folder / 'bag', '--labels', drive.labels, '--weights', weights
    )
    assert result.exit_code == 2
    errors = [line for line in result.stderr.splitlines() if line.startswith('bisenet: ')]
    assert len(errors) == 1
    assert message in errors[0]
    assert sorted(path.name for path in folder.iterdir()) == ['frames', 'labels']


def test_a_frame_without_truth_is_refused(drive: Drive, weights: Path) -> None:
    (drive.labels / 'f9.png').rename(drive.labels / 'f11.png')
    fails(drive, weights, '1 of 3 frames have no label image')


def test_two_label_images_of_a_frame_are_refused(drive: Drive, weights: Path) -> None:
    cv2.imwrite(str(drive.labels / 'f9.bmp'), drive.truths[1])
    fails(drive, weights, 'f9.png and f9.bmp differ only in the suffix')


def test_two_frames_of_one_label_image_are_refused(drive: Drive, weights: Path) -> None:
    cv2.imwrite(str(drive.frames / 'f9.bmp'), drive.images[1])
    fails(drive, weights, 'f9.png and f9.bmp differ only in the suffix')


def test_frames_may_be_beside_their_label_images(
    drive: Drive, weights: Path, tmp_path: Path
) -> None:
    for name, image in zip(drive.names, drive.images, strict=True):
        cv2.imwrite(str(drive.labels / f'{name}.jpg'), image)
    common = ('-o', tmp_path / 'bag', '--labels', drive.labels, '--weights', weights)
    assert record(drive.frames, *common).exit_code == 0


@pytest.mark.parametrize(
    ('suffix', 'codec', 'content'),
    [
        ('jpg', 'JPEG', cv2.imencode('.jpg', np.zeros((32, 48), np.uint8))[1].tobytes()),
        ('jp2', 'JPEG 2000', b'\0\0\0\x0cjP  \r\n\x87\n'),
        ('avif', 'AVIF', b'\0\0\0\x1cftypavif'),
    ],
)
def test_truth_that_is_compressed_with_loss_is_refused(
    drive: Drive, weights: Path, suffix: str, codec: str, content: bytes
) -> None:
    (drive.labels / 'f9.png').unlink()
    (drive.labels / f'f9.{suffix}').write_bytes(content)  # not every OpenCV has all codecs
    fails(
        drive,
        weights,
        f'f9.{suffix} is a {codec} file, whose compression may change labels: save',
    )


def test_truth_of_another_size_is_refused(drive: Drive, weights: Path) -> None:
    cv2.imwrite(str(drive.labels / 'f9.png'), np.zeros((16, 24), np.uint8))
    fails(drive, weights, 'f9.png is 24x16, but its frame is 48x32')


def test_a_frame_of_another_size_is_refused(drive: Drive, weights: Path) -> None:
    cv2.imwrite(str(drive.frames / 'f10.png'), np.zeros((64, 96, 3), np.uint8))
    fails(drive, weights, 'f10.png is 96x64, but the frames before it are 48x32')


def test_a_label_that_is_no_class_is_refused(drive: Drive, weights: Path) -> None:
    drive.truths[1][3, 3] = 12
    cv2.imwrite(str(drive.labels / 'f9.png'), drive.truths[1])
    fails(drive, weights, 'f9.png has the value 12, but the classes are 0 to 10')


def test_labelled_frames_become_a_bag_as_documented(
    drive: Drive, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    yard = tmp_path / 'yard'
    yard.mkdir()
    (yard / 'labels.yaml').write_text(
        'classes:\n  - {name: a, color: [0, 0, 0]}\n  - {name: b, color: [255, 0, 0]}\n'
        'ignored:\n  colors: [[0, 0, 255]]\n'
    )
    drive.frames.rename(yard / 'images')
    pairs = [f'images/{name}.png {name}_labels.png\n' for name in drive.names]
    (yard / 'val.txt').write_text(''.join(pairs))
    colors = np.array([[0, 0, 0], [0, 0, 255], [255, 0, 0]], np.uint8)  # blue, green, red
    kinds = [np.random.default_rng(seed).integers(0, 3, (32, 48)) for seed in range(3)]
    for name, kind in zip(drive.names, kinds, strict=True):
        cv2.imwrite(str(yard / f'{name}_labels.png'), colors[kind])

    page = Path(__file__).parents[2] / 'docs/datasets.md'
    monkeypatch.chdir(tmp_path)
    exec(re.findall(r'^```python\n(.*?)^```', page.read_text(), re.M | re.S)[-1], {})  # noqa: S102
    result = record('frames', '-o', 'bag', '--labels', 'truth', '--weights', weights)
    assert result.exit_code == 0, result.output
    truths = [message for topic, _, message in messages(Path('bag')) if 'truth' in topic]
    for message, kind in zip(truths, kinds, strict=True):
        expected = np.array([0, 1, 255])[kind]
        np.testing.assert_array_equal(message.data.reshape(32, 48), expected)


def test_a_broken_frame_is_refused(drive: Drive, weights: Path) -> None:
    (drive.frames / 'f9.png').write_bytes(b'')
    fails(drive, weights, 'f9.png: not an image that OpenCV can read')


def test_colour_coded_truth_is_refused(drive: Drive, weights: Path) -> None:
    cv2.imwrite(str(drive.labels / 'f9.png'), drive.images[0])
    fails(drive, weights, 'f9.png: labels are one channel of 8 or 16 bit')


@pytest.mark.parametrize('arguments', [['--rate', '0'], ['--rate', 'nan']])
def test_wrong_rates_are_refused(drive: Drive, tmp_path: Path, arguments: list[str]) -> None:
    result = record(drive.frames, '-o', tmp_path / 'bag', *arguments)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith(f'bisenet: {arguments[0]} must be ')
    assert not (tmp_path / 'bag').exists()


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    result = record(tmp_path, '-o', tmp_path / 'bag')
    assert result.exit_code == 2
    assert 'no images directly in this folder' in result.stderr


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path, storage: str) -> None:
    frames, bag = tmp_path / 'frames', tmp_path / 'bag'
    frames.mkdir()
    for index in range(3):
        cv2.imwrite(str(frames / f'{index}.png'), np.zeros((200, 300, 3), np.uint8))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))  # files cannot grow beyond that
    try:
        result = record(frames, '-o', bag, '--storage', storage)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert result.exit_code == 2, result.exception
    assert f'bisenet: {bag}: ' in result.stderr
    assert list(tmp_path.iterdir()) == [frames]


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_leaves_nothing_unfinished(
    drive: Drive, tmp_path: Path, number: signal.Signals
) -> None:
    ended = subprocess.run(
        [sys.executable, '-c', SIGNALLED, str(int(number)), 'record', drive.frames, '-o', 'bag'],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert ended.returncode == 128 + number, ended.stderr
    assert {path.name for path in tmp_path.iterdir()} == {'frames', 'labels'}
