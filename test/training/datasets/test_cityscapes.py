# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cityscapes' folders, and its two kinds of ids."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from small_datasets import CITY, make_cityscapes_tree, make_scene, write_image

from bisenet_ros.label_space import CITYSCAPES, IGNORE
from bisenet_training.datasets import DatasetError
from bisenet_training.datasets.cityscapes import LABEL_IDS, CityscapesSettings, to_label_ids

TRAIN_ID_OF = {
    7: 'road', 8: 'sidewalk', 11: 'building', 12: 'wall', 13: 'fence', 17: 'pole',
    19: 'traffic_light', 20: 'traffic_sign', 21: 'vegetation', 22: 'terrain', 23: 'sky',
    24: 'person', 25: 'rider', 26: 'car', 27: 'truck', 28: 'bus', 31: 'train', 32: 'motorcycle',
    33: 'bicycle',
}  # fmt: skip
"""As published: the label ids that are evaluated."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_cityscapes_tree(tmp_path / 'cityscapes', train=2, val=1, size=(64, 32))


def write_labels(root: Path, ending: str, labels: np.ndarray) -> Path:
    frame = f'train/{CITY}/{CITY}_000000_000000'
    write_image(root / 'leftImg8bit' / f'{frame}_leftImg8bit.png', np.zeros((8, 8, 3), np.uint8))
    return write_image(root / 'gtFine' / f'{frame}_{ending}.png', labels)


def test_every_label_id_has_the_published_meaning(tmp_path: Path) -> None:
    label_ids = np.arange(64, dtype=np.uint8).reshape(8, 8)
    label_ids[label_ids > 33] = 255  # the licence plate
    write_labels(tmp_path, 'gtFine_labelIds', label_ids)
    labels = CityscapesSettings(root=tmp_path, split='train').open()[0].labels
    for label_id, label in zip(label_ids.ravel(), labels.ravel(), strict=True):
        name = TRAIN_ID_OF.get(label_id)
        assert label == (IGNORE if name is None else CITYSCAPES.names.index(name))


def test_label_ids_come_back() -> None:
    assert dict(zip(LABEL_IDS, CITYSCAPES.names, strict=True)) == TRAIN_ID_OF
    labels = np.array([[0, 18, IGNORE]], np.uint8)
    assert to_label_ids(labels).tolist() == [[7, 33, 0]]


def test_train_ids_are_taken_as_they_are(tmp_path: Path) -> None:
    train_ids = np.arange(64, dtype=np.uint8).reshape(8, 8)
    train_ids[train_ids > 18] = IGNORE
    write_labels(tmp_path, 'gtFine_labelTrainIds', train_ids)
    for kind in ('train_ids', None):
        dataset = CityscapesSettings(root=tmp_path, split='train', labels=kind).open()
        np.testing.assert_array_equal(dataset[0].labels, train_ids)


def test_label_ids_are_read_where_both_kinds_are(root: Path) -> None:
    before = CityscapesSettings(root=root, split='train').open()[0].labels
    for label_ids in (root / 'gtFine' / 'train').rglob('*_labelIds.png'):
        name = label_ids.name.replace('labelIds', 'labelTrainIds')
        write_image(label_ids.with_name(name), np.zeros((32, 64), np.uint8))
    dataset = CityscapesSettings(root=root, split='train').open()
    np.testing.assert_array_equal(dataset[0].labels, before)


def test_without_labels_those_of_the_download_are_missed(root: Path) -> None:
    for label_ids in (root / 'gtFine' / 'train').rglob('*_labelIds.png'):
        label_ids.unlink()
    with pytest.raises(DatasetError, match=r'name that ends with _gtFine_labelIds$'):
        CityscapesSettings(root=root, split='train').open()


@pytest.mark.parametrize('split', ['train', 'test'])
def test_images_with_other_names_are_not_said_to_be_missing(split: str, tmp_path: Path) -> None:
    write_image(tmp_path / 'leftImg8bit' / split / 'a_rgb.png', np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(DatasetError, match=r'no image in .* ends with _leftImg8bit$'):
        CityscapesSettings(root=tmp_path, split=split).open()


def test_a_label_that_cityscapes_has_not_is_named(tmp_path: Path) -> None:
    label_ids = np.full((8, 8), 7, np.uint8)
    label_ids[3, 5] = 34
    write_labels(tmp_path, 'gtFine_labelIds', label_ids)
    dataset = CityscapesSettings(root=tmp_path, split='train').open()
    expected = r'labelIds\.png has label 34, first at column 5, row 3, which Cityscapes does not'
    with pytest.raises(DatasetError, match=expected):
        dataset[0]


def test_the_tree_of_the_tests_holds_its_scenes(root: Path) -> None:
    dataset = CityscapesSettings(root=root, split='train').open()
    assert dataset.label_space == CITYSCAPES
    assert [dataset.name_of(index) for index in range(2)] == [
        f'{CITY}/{CITY}_000000_000000',
        f'{CITY}/{CITY}_000000_000001',
    ]
    for seed, sample in enumerate(dataset):
        image, labels = make_scene(seed, (64, 32))
        np.testing.assert_array_equal(sample.image, image)
        np.testing.assert_array_equal(sample.labels, labels)
    assert len(CityscapesSettings(root=root, split='val').open()) == 1


def test_labels_of_another_kind_do_not_count(root: Path) -> None:
    with pytest.raises(DatasetError, match='name that ends with _gtFine_labelTrainIds'):
        CityscapesSettings(root=root, split='train', labels='train_ids').open()
    image = root / 'leftImg8bit' / 'train' / CITY / f'{CITY}_000000_000000_leftImg8bit.png'
    label = root / 'gtFine' / 'train' / CITY / f'{CITY}_000000_000000_gtFine_color.png'
    write_image(label, cv2.imread(str(image)))
    assert len(CityscapesSettings(root=root, split='train').open()) == 2
