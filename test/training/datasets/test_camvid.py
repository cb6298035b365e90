# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""CamVid in the layout of the SegNet tutorial."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from small_datasets import make_camvid_tree, write_image

from bisenet_ros.label_space import CAMVID, IGNORE
from bisenet_training.datasets import DatasetError
from bisenet_training.datasets.camvid import VOID, CamvidSettings


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_camvid_tree(tmp_path / 'camvid', train=3, val=2, size=(64, 48))


def test_frames_and_labels_are_those_of_the_files(root: Path) -> None:
    dataset = CamvidSettings(root=root, split='train').open()
    assert dataset.label_space == CAMVID
    assert dataset.description == 'CamVid train (3 frames)'
    assert len(dataset) == 3
    for index, sample in enumerate(dataset):
        name = f'{index:03}'
        assert sample.name == dataset.name_of(index) == name
        image = cv2.imread(str(root / 'train' / f'{name}.png'))
        np.testing.assert_array_equal(sample.image, image)
        raw = cv2.imread(str(root / 'trainannot' / f'{name}.png'), cv2.IMREAD_UNCHANGED)
        assert (raw == VOID).any()
        np.testing.assert_array_equal(sample.labels, np.where(raw == VOID, IGNORE, raw))
        assert sample.image.dtype == sample.labels.dtype == np.uint8


def test_images_may_be_jpeg(root: Path) -> None:
    for path in (root / 'val').glob('*.png'):
        write_image(path.with_suffix('.jpg'), cv2.imread(str(path)))
        path.unlink()
    assert CamvidSettings(root=root, split='val').open()[1].image.shape == (48, 64, 3)


def test_an_image_without_labels_is_named(root: Path) -> None:
    (root / 'trainannot' / '001.png').unlink()
    (root / 'trainannot' / '002.png').unlink()
    with pytest.raises(DatasetError, match=r'no labels in .*trainannot for .*001\.png \(and for 1'):
        CamvidSettings(root=root, split='train').open()


def test_labels_without_an_image_are_named(root: Path) -> None:
    (root / 'train' / '001.png').unlink()
    with pytest.raises(DatasetError, match=r'no image in .*train for .*trainannot/001\.png$'):
        CamvidSettings(root=root, split='train').open()


def test_a_split_that_is_missing_or_empty_is_named(root: Path) -> None:
    with pytest.raises(DatasetError, match=r'no such folder: .*night'):
        CamvidSettings(root=root, split='night').open()
    (root / 'night').mkdir()
    (root / 'nightannot').mkdir()
    with pytest.raises(DatasetError, match=r'no images in .*night'):
        CamvidSettings(root=root, split='night').open()


def test_two_images_of_one_name_are_refused(root: Path) -> None:
    write_image(root / 'train' / '001.jpg', np.zeros((48, 64, 3), np.uint8))
    with pytest.raises(DatasetError, match=r'001\.png and 001\.jpg differ only in the suffix'):
        CamvidSettings(root=root, split='train').open()


def test_sizes_that_differ_are_named(root: Path) -> None:
    write_image(root / 'trainannot' / '001.png', np.zeros((24, 32), np.uint8))
    dataset = CamvidSettings(root=root, split='train').open()
    with pytest.raises(
        DatasetError, match=r'trainannot/001\.png is 32x24, but .*001\.png is 64x48'
    ):
        dataset[1]


def test_drives_can_be_left_out(root: Path) -> None:
    for folder in ('train', 'trainannot'):
        for path in (root / folder).glob('*.png'):
            drive = '0001TP' if path.stem == '001' else '0006R0'
            path.rename(path.with_name(f'{drive}_{path.name}'))
    dataset = CamvidSettings(root=root, split='train', drives=('0006R0',)).open()
    assert dataset.description == 'CamVid train 0006R0 (2 frames)'
    assert [sample.name for sample in dataset] == ['0006R0_000', '0006R0_002']
    with pytest.raises(DatasetError, match=r'no frame in .*train is of 0016E5'):
        CamvidSettings(root=root, split='train', drives=('0016E5',)).open()
