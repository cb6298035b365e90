# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""COCO-Stuff: its table of classes, and its two downloads."""

from __future__ import annotations

import base64
import zlib
from pathlib import Path

import numpy as np
import pytest
from small_datasets import write_image

from bisenet_ros.label_space import IGNORE
from bisenet_training.datasets import DatasetError
from bisenet_training.datasets.coco_stuff import (
    CLASS_IDS,
    COCO_STUFF,
    LABELS,
    open_coco_stuff,
    open_coco_stuff_10k,
)
from bisenet_training.datasets.matlab_file import read_matrix

PICTURE = np.zeros((2, 3, 3), np.uint8)
MATLAB_FILE = base64.b64decode(
    """
    TUFUTEFCIDUuMCBNQVQtZmlsZSBQbGF0Zm9ybTogcG9zaXgsIENyZWF0ZWQgb246IEZyaSBOb3YgMjAgMTI6MTk6NDkg
    MjAyNgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABSU0PAAAAPQAAAHic
    42NgYFgAxGxAzAHEjAwQwIrEZ4LSIH5yYkFJZn5eMR+QbYCkjwWLPkYk8wSArEQgTY6+JCANAGWBBd0PAAAAMgAAAHic
    42NgYHAAYjYg5gBibgYIYIXymYCYGYgZgTAYSLMAMQ9YxTagSAwDLxCDAAA41gJbDwAAAEMAAAB4nONjYGAoAGI2IOaA
    0iDACuUzQsVANB8QF6WmZ+bn+SYWBJeUpqUxMHACxQwY0MEHeyjDAUJxQGkBKC3iAAADCAj0
    """
)
"""What SciPy's savemat wrote: captions (a cell array), S (uint16), regionMapStuff; compressed."""
LABELS_IN_FILE = [[0, 1, 13], [182, 92, 92]]
CLASSES_IN_FILE = [[IGNORE, 0, 11], [170, 80, 80]]


def decompress(content: bytes) -> bytes:
    """The same MATLAB file without compression."""
    plain, offset = content[:128], 128
    while offset < len(content):
        size = int.from_bytes(content[offset + 4 : offset + 8], 'little')
        plain += zlib.decompress(content[offset + 8 : offset + 8 + size])
        offset += 8 + size
    return plain


def test_171_of_182_labels_are_classes() -> None:
    assert len(LABELS) == len(set(LABELS)) == 182
    assert len(COCO_STUFF) == len(CLASS_IDS) == 171
    assert len(set(COCO_STUFF.colors)) == 171
    # Things come first: 80 of 91; all 91 of stuff are used.
    assert sum(label_id < 91 for label_id in CLASS_IDS) == 80
    assert CLASS_IDS[80:] == tuple(range(91, 182))


@pytest.mark.parametrize(
    ('label_id', 'index', 'name'),
    [
        (0, 0, 'person'),
        (12, 11, 'stop_sign'),
        (43, 39, 'bottle'),
        (45, 40, 'wine_glass'),
        (89, 79, 'toothbrush'),
        (91, 80, 'banner'),
        (148, 137, 'road'),
        (181, 170, 'wood'),
    ],
)
def test_labels_have_the_published_ids(label_id: int, index: int, name: str) -> None:
    assert CLASS_IDS[index] == label_id
    assert COCO_STUFF.names[index] == LABELS[label_id] == name


def make_164k(
    root: Path, images: str, labels: str, names: tuple[str, ...] = ('000000000009',)
) -> None:
    for name in names:
        write_image(root / images / f'{name}.jpg', PICTURE)
        pixels = np.array([[0, 12, 255], [181, 91, 148]], np.uint8)
        write_image(root / labels / f'{name}.png', pixels)


@pytest.mark.parametrize(
    ('images', 'labels'),
    [
        ('images/val2017', 'annotations/val2017'),
        ('images/val2017', 'stuffthingmaps/val2017'),
        ('val2017', 'stuffthingmaps/val2017'),
    ],
)
def test_pixel_maps_are_found_where_people_put_them(
    tmp_path: Path, images: str, labels: str
) -> None:
    make_164k(tmp_path, images, labels)
    (tmp_path / 'annotations').mkdir(exist_ok=True)  # COCO's own, with JSON files
    dataset = open_coco_stuff(tmp_path, 'val2017')
    assert dataset.label_space == COCO_STUFF
    assert dataset[0].labels.tolist() == [[0, 11, IGNORE], [170, 80, 137]]


def test_what_mmsegmentation_writes_beside_them_is_passed_over(tmp_path: Path) -> None:
    make_164k(tmp_path, 'images/val2017', 'annotations/val2017')
    converted = tmp_path / 'annotations' / 'val2017' / '000000000009_labelTrainIds.png'
    write_image(converted, np.zeros((2, 3), np.uint8))
    assert len(open_coco_stuff(tmp_path, 'val2017')) == 1


def test_a_label_that_never_occurs_is_refused(tmp_path: Path) -> None:
    make_164k(tmp_path, 'images/val2017', 'annotations/val2017')
    target = tmp_path / 'annotations' / 'val2017' / '000000000009.png'
    write_image(target, np.full((2, 3), LABELS.index('hat'), np.uint8))
    with pytest.raises(DatasetError, match=r'000000000009\.png holds label 25, .* COCO-Stuff does'):
        open_coco_stuff(tmp_path, 'val2017')[0]


def test_missing_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r'there is neither .*images/val2017 nor .*val2017'):
        open_coco_stuff(tmp_path, 'val2017')


def test_lists_of_the_10k_select_from_the_164k(tmp_path: Path) -> None:
    names = ('000000000009', '000000000077', '000000000081')
    make_164k(tmp_path, 'images/train2017', 'annotations/train2017', names)
    image_list = tmp_path / 'train.txt'
    image_list.write_text('COCO_train2014_000000000077\n000000000009\n')
    dataset = open_coco_stuff(tmp_path, 'train2017', image_list)
    assert dataset.description == 'COCO-Stuff train2017, train.txt (2 frames)'
    assert [sample.name for sample in dataset] == ['000000000009', '000000000077']
    image_list.write_text('COCO_train2014_000000000078\n')
    with pytest.raises(DatasetError, match=r'train\.txt names 000000000078, which is not in'):
        open_coco_stuff(tmp_path, 'train2017', image_list)
    image_list.write_text('COCO_train2014_000000000077\n')
    (tmp_path / 'annotations' / 'train2017' / '000000000077.png').unlink()
    with pytest.raises(DatasetError, match=r'no labels in .* for .*000000000077\.jpg'):
        open_coco_stuff(tmp_path, 'train2017', image_list)


@pytest.fixture
def ten_thousand(tmp_path: Path) -> Path:
    """COCO-Stuff-10k, but for 9999 of its images."""
    name = 'COCO_train2014_000000000077'
    for folder in ('images', 'annotations', 'imageLists'):
        (tmp_path / folder).mkdir()
    write_image(tmp_path / 'images' / f'{name}.jpg', PICTURE)
    (tmp_path / 'annotations' / f'{name}.mat').write_bytes(MATLAB_FILE)
    (tmp_path / 'imageLists' / 'test.txt').write_text(f'{name}\n')
    return tmp_path


def test_the_10k_is_read_as_it_is_downloaded(ten_thousand: Path) -> None:
    dataset = open_coco_stuff_10k(ten_thousand, 'test')
    assert dataset.label_space == COCO_STUFF
    assert dataset.description == 'COCO-Stuff-10k test (1 frame)'
    assert dataset[0].name == 'COCO_train2014_000000000077'
    assert dataset[0].labels.tolist() == CLASSES_IN_FILE


@pytest.mark.parametrize('folder', ['images', 'annotations'])
def test_a_file_missing_from_the_10k_is_named(ten_thousand: Path, folder: str) -> None:
    (missing,) = (ten_thousand / folder).iterdir()
    missing.unlink()
    with pytest.raises(DatasetError, match=rf'test\.txt names .*, but there is no {missing}'):
        open_coco_stuff_10k(ten_thousand, 'test')


def test_a_split_missing_from_the_10k_is_named(ten_thousand: Path) -> None:
    with pytest.raises(DatasetError, match=r'cannot read .*imageLists/train\.txt: No such file'):
        open_coco_stuff_10k(ten_thousand, 'train')
    (ten_thousand / 'imageLists' / 'train.txt').write_text('\n')
    with pytest.raises(DatasetError, match=r'train\.txt names nothing'):
        open_coco_stuff_10k(ten_thousand, 'train')


def test_compression_of_a_matlab_file_does_not_matter(tmp_path: Path) -> None:
    file = tmp_path / 'labels.mat'
    for content in (MATLAB_FILE, decompress(MATLAB_FILE)):
        file.write_bytes(content)
        assert read_matrix(file, 'S').tolist() == LABELS_IN_FILE


def test_what_is_wrong_with_a_matlab_file_is_said(tmp_path: Path) -> None:
    file = tmp_path / 'labels.mat'
    with pytest.raises(DatasetError, match=r'cannot read .*labels\.mat: No such file'):
        read_matrix(file, 'S')
    file.write_bytes(MATLAB_FILE)
    with pytest.raises(DatasetError, match='has no variable T'):
        read_matrix(file, 'T')
    with pytest.raises(DatasetError, match=r'captions in .* is not a matrix of whole numbers'):
        read_matrix(file, 'captions')
    file.write_bytes(decompress(MATLAB_FILE)[:400])
    with pytest.raises(DatasetError, match=r'labels\.mat is damaged'):
        read_matrix(file, 'regionMapStuff')
    file.write_bytes(b'\x89HDF\r\n\x1a\n' + bytes(600))
    with pytest.raises(DatasetError, match='not a MATLAB file of level 5'):
        read_matrix(file, 'S')
