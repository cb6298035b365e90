# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What an ego mask takes out of a segmentation, and which files are refused as one."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from small_bags import picture

from bisenet_ros.camera_pipeline import CameraPipeline
from bisenet_ros.ego_mask import EgoMask, load_ego_masks
from bisenet_ros.errors import UserError
from bisenet_ros.image_codec import ImageError, image_fields
from bisenet_ros.label_space import CAMVID
from bisenet_ros.segmenter import Segmenter


def bonnet(width: int = 64, height: int = 48) -> npt.NDArray[np.uint8]:
    """(H, W) a quarter of the height at the bottom, in the middle half of the width."""
    mask = np.zeros((height, width), np.uint8)
    mask[height - height // 4 :, width // 4 : -width // 4] = 255
    return mask


def image_message(pixels: npt.NDArray[np.uint8]) -> Any:
    """What of an Image the pipeline looks at."""
    header = SimpleNamespace(stamp=SimpleNamespace(sec=1, nanosec=2))
    return SimpleNamespace(header=header, **image_fields(pixels, 'bgr8'))


def write(path: Path, mask: npt.NDArray[np.uint8]) -> Path:
    path.write_bytes(cv2.imencode('.png', mask)[1].tobytes())
    return path


@pytest.mark.parametrize('output_size', [None, (32, 96)])
def test_the_vehicle_is_not_labelled_not_drivable_and_of_no_confidence(
    weights: Path, tmp_path: Path, output_size: tuple[int, int] | None
) -> None:
    names, frame = CAMVID.names, picture(0)
    settings = {'device': 'cpu', 'drivable_classes': names, 'output_size': output_size}
    plain = Segmenter.load(weights, **settings)(frame)
    # Of twice the size: a mask is scaled to the labels.
    path = write(tmp_path / 'ego.png', bonnet(128, 96))
    segmenter = Segmenter.load(weights, **settings, ego_mask=path, min_drivable_area=0.4)
    found = segmenter(frame)
    ego = bonnet(*found.size) > 0
    assert found.ego is not None
    np.testing.assert_array_equal(found.ego, ego)
    np.testing.assert_array_equal(found.labels, np.where(ego, 255, plain.labels))
    np.testing.assert_array_equal(found.confidence, np.where(ego, 0, plain.confidence))
    np.testing.assert_array_equal(found.drivable, np.where(ego, 0, 255))  # every class is drivable
    assert found.area.free_space_boundary.tolist() == [0] * found.size[0]
    assert found.area.fraction == 1 - ego.mean()
    assert found.mean_confidence == pytest.approx(plain.confidence[~ego].mean() / 255)
    assert plain.mean_confidence == pytest.approx(plain.confidence.mean() / 255)
    assert segmenter.batch([frame], [None])[0].ego is None


def test_a_mask_may_have_16_bits(tmp_path: Path) -> None:
    path = tmp_path / 'ego.png'
    cv2.imwrite(str(path), bonnet().astype(np.uint16) * 257)
    np.testing.assert_array_equal(EgoMask(path).at((64, 48)), bonnet() > 0)


def test_small_areas_are_those_that_the_vehicle_leaves(weights: Path, tmp_path: Path) -> None:
    mask = np.zeros((48, 64), np.uint8)
    mask[:, 8:10] = 255  # cuts off an eighth at the left
    path = write(tmp_path / 'ego.png', mask)
    segmenter = Segmenter.load(
        weights,
        device='cpu',
        ego_mask=path,
        drivable_classes=CAMVID.names,
        min_drivable_area=0.2,
    )
    expected = np.full((48, 64), 255, np.uint8)
    expected[:, :10] = 0
    np.testing.assert_array_equal(segmenter(picture(0)).drivable, expected)


def test_a_camera_without_its_own_mask_has_none_and_a_wrong_frame_is_malformed(
    weights: Path, tmp_path: Path
) -> None:
    segmenter = Segmenter.load(weights, device='cpu')
    masks = load_ego_masks({'front': str(write(tmp_path / 'ego.png', bonnet())), 'rear': ''})
    pipeline = CameraPipeline(['front', 'rear'], segmenter, masks)
    message = image_message(picture(0))
    frames = [pipeline.decode(camera, message) for camera in ('front', 'rear')]
    front, rear = (frame.segmentation for frame in pipeline.segment(frames))
    np.testing.assert_array_equal(front.labels == 255, bonnet() > 0)
    assert rear.ego is None
    assert not (rear.labels == 255).any()
    wide = image_message(picture(0, width=96))
    pipeline.decode('rear', wide)
    with pytest.raises(ImageError, match='is 64x48, but the image is 96x48'):
        pipeline.decode('front', wide)


def test_grey_and_colours(tmp_path: Path) -> None:
    colors = np.zeros((40, 40, 3), np.uint8)
    colors[:10], colors[10:20], colors[20:30] = 255, 128, (127, 127, 127)
    mask = EgoMask(write(tmp_path / 'ego.png', colors))
    assert mask.size == (40, 40)
    np.testing.assert_array_equal(mask.at((40, 40)).sum(axis=1), [40] * 20 + [0] * 20)


@pytest.mark.parametrize(
    ('image', 'fits'),
    [
        ((1280, 720), True),
        ((640, 360), True),
        ((854, 480), True),  # 853.3 rounded up
        ((107, 60), True),  # 106.7 rounded up
        ((109, 60), False),
        ((1280, 722), False),
        ((720, 1280), False),
        ((640, 480), False),
    ],
)
def test_images_of_another_shape_are_refused(
    tmp_path: Path, image: tuple[int, int], fits: bool
) -> None:
    mask = EgoMask(write(tmp_path / 'ego.png', bonnet(1280, 720)))
    if fits:
        mask.check(image)
    else:
        with pytest.raises(UserError, match=f'is 1280x720, but the image is {image[0]}x{image[1]}'):
            mask.check(image)


def bomb() -> bytes:
    """A PNG of a few bytes that says that it is of 60000x60000 pixels."""
    header = b'IHDR' + struct.pack('>IIBBBBB', 60000, 60000, 8, 0, 0, 0, 0)
    chunk = struct.pack('>I', 13) + header + struct.pack('>I', zlib.crc32(header))
    return b'\x89PNG\r\n\x1a\n' + chunk


WHOLE = cv2.imencode('.png', np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8))[1]
BLACK = cv2.imencode('.png', np.ones((64, 64), np.uint8))[1]  # 0 and 1, as masks may be elsewhere
WHITE = cv2.imencode('.png', np.full((64, 64), 255, np.uint8))[1]


@pytest.mark.parametrize(
    ('content', 'reason'),
    [
        (b'', 'not a PNG'),
        (cv2.imencode('.jpg', bonnet())[1].tobytes(), 'not a PNG'),
        (WHOLE.tobytes()[: WHOLE.size // 2], 'the PNG is cut short'),
        (bomb(), '60000x60000, over the limit'),
        (cv2.imencode('.png', bonnet(16, 16))[1].tobytes(), 'must be at least 32x32'),
        (BLACK.tobytes(), 'white nowhere; the vehicle itself is white'),
        (WHITE.tobytes(), 'white everywhere'),
    ],
)
def test_files_that_are_no_mask_are_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / 'ego.png'
    path.write_bytes(content)
    with pytest.raises(UserError, match=f'^ego_mask {path}: .*({reason})'):
        EgoMask(path)


def test_what_has_no_end_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / 'pipe')
    (tmp_path / 'large.png').touch()
    os.truncate(tmp_path / 'large.png', 1 << 40)
    for name, reason in (
        ('pipe', 'no such file'),
        ('nowhere.png', 'no such file'),
        ('large.png', 'over 64 MiB'),
    ):
        with pytest.raises(UserError, match=reason):
            EgoMask(tmp_path / name)
