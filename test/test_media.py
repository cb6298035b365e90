# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Images and videos come in as a viewer shows them; what is broken is refused, never half-read."""

from __future__ import annotations

import errno
import os
import resource
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from bisenet_ros.image_header import PNG_START
from bisenet_ros.label_image import read_labels
from bisenet_ros.media import (
    IMAGE_SUFFIXES,
    MediaError,
    Video,
    VideoWriter,
    list_files,
    read_image,
    write_image,
)
from bisenet_training.datasets import image_file


@pytest.fixture
def image() -> npt.NDArray[np.uint8]:
    """(40, 60, 3), smooth enough for codecs to keep."""
    coarse = np.random.default_rng(0).integers(0, 255, (4, 6, 3), dtype=np.uint8)
    return cv2.resize(coarse, (60, 40), interpolation=cv2.INTER_LINEAR)


def test_folders_are_read_in_natural_order(tmp_path: Path) -> None:
    for name in ('frame10.png', 'frame9.PNG', 'frame9b.jpg', '10.png', '9.png', 'notes.txt'):
        (tmp_path / name).touch()
    (tmp_path / 'folder.png').mkdir()
    names = [path.name for path in list_files(tmp_path, IMAGE_SUFFIXES)]
    assert names == ['9.png', '10.png', 'frame9.PNG', 'frame9b.jpg', 'frame10.png']


def test_a_broken_link_is_listed_and_cannot_be_read(tmp_path: Path) -> None:
    link = tmp_path / 'frame.png'
    link.symlink_to('not_yet_fetched.png')
    assert list_files(tmp_path, IMAGE_SUFFIXES) == [link]
    with pytest.raises(MediaError, match=r'frame\.png: No such file or directory'):
        read_image(link)


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match='no such folder'):
        list_files(tmp_path / 'nowhere', IMAGE_SUFFIXES)


def test_a_folder_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(folder: Path) -> None:  # root, who may run the tests, reads every folder
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))

    monkeypatch.setattr(Path, 'iterdir', refuse)
    with pytest.raises(MediaError, match=f'^{tmp_path}: Permission denied$'):
        list_files(tmp_path, IMAGE_SUFFIXES)


def test_what_has_no_end_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / 'pipe.png')
    (tmp_path / 'large.png').touch()
    os.truncate(tmp_path / 'large.png', 1 << 40)
    for path, reason in (
        (tmp_path / 'pipe.png', 'a folder, device or pipe, not an image file'),
        (Path('/dev/zero'), 'a folder, device or pipe, not an image file'),
        (tmp_path / 'large.png', 'over 1024 MiB, which no image needs'),
    ):
        with pytest.raises(MediaError, match=f'^{path}: {reason}$'):
            read_image(path)


def test_alpha_is_dropped(tmp_path: Path, image: npt.NDArray[np.uint8]) -> None:
    path = tmp_path / 'alpha.png'
    cv2.imwrite(str(path), np.dstack([image, np.zeros((40, 60), np.uint8)]))
    np.testing.assert_array_equal(read_image(path), image)


def test_gray_becomes_three_channels(tmp_path: Path, image: npt.NDArray[np.uint8]) -> None:
    path = tmp_path / 'gray.png'
    cv2.imwrite(str(path), image[..., 0])
    np.testing.assert_array_equal(read_image(path), np.repeat(image[..., :1], 3, axis=2))


@pytest.mark.parametrize('suffix', ['png', 'tiff'])
def test_of_16_bits_the_upper_8_are_kept(tmp_path: Path, suffix: str) -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (40, 60), dtype=np.uint16)
    path = tmp_path / f'deep.{suffix}'
    cv2.imwrite(str(path), deep)
    np.testing.assert_array_equal(read_image(path)[..., 0], deep >> 8)


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    left_white = np.zeros((32, 64, 3), np.uint8)
    left_white[:, :32] = 255
    jpeg = cv2.imencode('.jpg', left_white)[1].tobytes()
    # One EXIF entry: orientation (0x0112) = 6, to be turned clockwise by a quarter for viewing.
    tiff = b'MM\0*\0\0\0\x08' + struct.pack('>HHHIHHI', 1, 0x0112, 3, 1, 6, 0, 0)
    exif = b'Exif\0\0' + tiff
    path = tmp_path / 'phone.jpg'
    path.write_bytes(jpeg[:2] + b'\xff\xe1' + struct.pack('>H', 2 + len(exif)) + exif + jpeg[2:])
    upright = read_image(path)
    assert upright.shape == (64, 32, 3)
    assert upright[:28].min() > 200
    assert upright[36:].max() < 50


@pytest.mark.parametrize('suffix', ['jpg', 'png', 'webp', 'bmp', 'tiff'])
@pytest.mark.parametrize('kept', [0.0, 0.3, 0.9])
def test_a_cut_image_is_refused(
    tmp_path: Path, image: npt.NDArray[np.uint8], suffix: str, kept: float
) -> None:
    path = tmp_path / f'cut.{suffix}'
    data = cv2.imencode(f'.{suffix}', image)[1].tobytes()
    path.write_bytes(data[: int(kept * len(data))])
    with pytest.raises(MediaError, match=f'^{path}: '):
        read_image(path)


def test_a_text_file_is_no_image(tmp_path: Path) -> None:
    path = tmp_path / 'text.png'
    path.write_text('not an image')
    with pytest.raises(MediaError, match='not an image that OpenCV can read'):
        read_image(path)


def test_labels_keep_their_values(tmp_path: Path) -> None:
    labels = np.random.default_rng(0).integers(0, 256, (40, 60), dtype=np.uint8)
    path = tmp_path / 'labels.png'
    write_image(path, labels)
    np.testing.assert_array_equal(read_labels(path), labels)


@pytest.mark.parametrize('bits', [1, 2, 8])
def test_labels_with_a_palette_are_its_indices(tmp_path: Path, bits: int) -> None:
    labels = np.random.default_rng(0).integers(0, 2**bits, (40, 60), dtype=np.uint8)
    image = Image.fromarray(labels).convert('P')
    image.putdata(labels.reshape(-1).tolist())
    image.putpalette([value for index in range(2**bits) for value in (index, 128, 64)])
    image.save(tmp_path / 'labels.png', bits=bits)
    np.testing.assert_array_equal(read_labels(tmp_path / 'labels.png'), labels)


@pytest.mark.parametrize('suffix', ['png', 'tif', 'bmp', 'pbm'])
def test_labels_of_one_bit(tmp_path: Path, suffix: str) -> None:
    labels = np.random.default_rng(0).integers(0, 2, (40, 60), dtype=np.uint8)
    path = tmp_path / f'labels.{suffix}'
    Image.fromarray(labels.astype(bool)).save(path)
    np.testing.assert_array_equal(read_labels(path), labels)


@pytest.mark.parametrize('bits', [1, 2, 4])
def test_grey_labels_of_few_bits(tmp_path: Path, bits: int) -> None:
    labels = np.random.default_rng(0).integers(0, 2**bits, (40, 64), dtype=np.uint8)
    samples = np.unpackbits(labels[:, :, None], axis=2)[:, :, -bits:]
    rows = np.pad(np.packbits(samples.reshape(40, -1), axis=1), ((0, 0), (1, 0)))  # unfiltered
    header = struct.pack('>IIBBBBB', 64, 40, bits, 0, 0, 0, 0)
    content = {b'IHDR': header, b'IDAT': zlib.compress(rows.tobytes()), b'IEND': b''}
    path = tmp_path / 'labels.png'
    path.write_bytes(
        PNG_START
        + b''.join(
            struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
            for kind, data in content.items()
        )
    )
    np.testing.assert_array_equal(read_labels(path), labels)


def test_labels_of_16_bits(tmp_path: Path) -> None:
    labels = np.random.default_rng(0).integers(0, 256, (40, 60), dtype=np.uint16)
    write_image(tmp_path / 'labels.png', labels)
    read = read_labels(tmp_path / 'labels.png')
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, labels)


def test_a_jpeg_with_other_data_after_its_end(tmp_path: Path, image: npt.NDArray[np.uint8]) -> None:
    path = tmp_path / 'motion.jpg'
    write_image(path, image)
    whole, alone = path.read_bytes(), read_image(path)
    # A phone's video follows; in it is what would start a scan in a JPEG, and no end.
    path.write_bytes(whole + b'\xff\xda' + bytes(100_000))
    np.testing.assert_array_equal(read_image(path), alone)
    np.testing.assert_array_equal(image_file.read_pixels(path, cv2.IMREAD_COLOR), alone)


@pytest.mark.parametrize(
    ('pixels', 'found'),
    [
        (np.zeros((40, 60, 3), np.uint8), 'one channel of 8 or 16 bit .*not 3 of 8'),
        (np.full((40, 60), 256, np.uint16), 'class ids are 0 to 255, but there is 256'),
    ],
)
def test_colours_are_no_labels(tmp_path: Path, pixels: npt.NDArray[np.uint8], found: str) -> None:
    path = tmp_path / 'labels.png'
    cv2.imwrite(str(path), pixels)
    with pytest.raises(MediaError, match=found):
        read_labels(path)


def test_a_written_video_is_read_again(tmp_path: Path, image: npt.NDArray[np.uint8]) -> None:
    path = tmp_path / 'drive.webm'
    frames = [np.roll(image, shift, axis=1) for shift in range(0, 50, 10)]
    with VideoWriter(path, rate=12.5) as writer:
        for frame in frames:
            writer.write(frame)
    video = Video(path)
    assert video.rate == 12.5
    for _ in range(2):  # iterating starts again
        read = list(video)
        assert len(read) == len(frames)
        for got, frame in zip(read, frames, strict=True):
            assert got.shape == frame.shape
            assert np.abs(got.astype(int) - frame).mean() < 12


def test_a_video_of_odd_size_is_written(tmp_path: Path, image: npt.NDArray[np.uint8]) -> None:
    with VideoWriter(tmp_path / 'odd.webm', rate=10) as writer:
        writer.write(np.ascontiguousarray(image[:39, :59]))
    assert next(iter(Video(tmp_path / 'odd.webm'))).shape == (38, 58, 3)


def test_frames_of_other_sizes_are_in_the_video_too(
    tmp_path: Path, image: npt.NDArray[np.uint8]
) -> None:
    with VideoWriter(tmp_path / 'sizes.webm', rate=10) as writer:
        for height in (40, 36, 38):
            writer.write(np.ascontiguousarray(image[:height]))
    assert [frame.shape[0] for frame in Video(tmp_path / 'sizes.webm')] == [40, 40, 40]


def test_opening_a_broken_video_is_one_clear_error(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / 'broken.mp4'
    path.write_bytes(b'nothing of a video' * 100)
    with pytest.raises(MediaError, match='not a video that OpenCV can read'):
        Video(path)
    assert capfd.readouterr().err == ''


def test_a_full_disk_leaves_no_truncated_image(
    tmp_path: Path, image: npt.NDArray[np.uint8]
) -> None:
    path = tmp_path / 'image.png'
    path.write_bytes(b'of an earlier run')
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))  # files cannot grow beyond that
    try:
        with pytest.raises(MediaError, match=r'image\.png: File too large'):
            write_image(path, image)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []
    path.mkdir()
    with pytest.raises(MediaError, match=r'image\.png: Is a directory'):
        write_image(path, image)


def test_writing_where_nothing_can_be_written(tmp_path: Path, image: npt.NDArray[np.uint8]) -> None:
    with pytest.raises(MediaError, match='No such file or directory'):
        write_image(tmp_path / 'nowhere' / 'image.png', image)
    with (
        VideoWriter(tmp_path / 'nowhere' / 'video.webm', 10) as writer,
        pytest.raises(MediaError, match='OpenCV cannot write WebM'),
    ):
        writer.write(image)
    (tmp_path / 'full.webm').symlink_to('/dev/full')
    with (
        pytest.raises(
            MediaError, match=r'full\.webm: the end of the video is missing: is the disk'
        ),
        VideoWriter(tmp_path / 'full.webm', 10) as writer,
    ):
        writer.write(image)


def test_videos_whose_names_are_not_utf_8_are_refused(
    tmp_path: Path, image: npt.NDArray[np.uint8]
) -> None:
    path = tmp_path / os.fsdecode(b'gr\xfcn.webm')
    path.touch()
    with pytest.raises(MediaError, match=r'gr\\udcfcn\.webm: the name is not UTF-8'):
        Video(path)
    with (
        VideoWriter(path, 10) as writer,
        pytest.raises(MediaError, match='the name is not UTF-8'),
    ):
        writer.write(image)
