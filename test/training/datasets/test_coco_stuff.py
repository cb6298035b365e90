# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""COCO-Stuff: its table of classes, and its two downloads."""

from __future__ import annotations

import base64
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat
from small_datasets import write_image

from bisenet_ros.label_space import IGNORE
from bisenet_training.datasets import DatasetError
from bisenet_training.datasets.coco_stuff import (
    CLASS_IDS,
    COCO_STUFF,
    LABELS,
    CocoStuff10kSettings,
    CocoStuffSettings,
)

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
    dataset = CocoStuffSettings(root=tmp_path, split='val2017').open()
    assert dataset.label_space == COCO_STUFF
    assert dataset[0].labels.tolist() == [[0, 11, IGNORE], [170, 80, 137]]


def test_what_mmsegmentation_writes_beside_them_is_passed_over(tmp_path: Path) -> None:
    make_164k(tmp_path, 'images/val2017', 'annotations/val2017')
    converted = tmp_path / 'annotations' / 'val2017' / '000000000009_labelTrainIds.png'
    write_image(converted, np.zeros((2, 3), np.uint8))
    assert len(CocoStuffSettings(root=tmp_path, split='val2017').open()) == 1


def test_a_label_that_never_occurs_is_refused(tmp_path: Path) -> None:
    make_164k(tmp_path, 'images/val2017', 'annotations/val2017')
    target = tmp_path / 'annotations' / 'val2017' / '000000000009.png'
    write_image(target, np.full((2, 3), LABELS.index('hat'), np.uint8))
    with pytest.raises(DatasetError, match=r'000000000009\.png has label 25, .* COCO-Stuff does'):
        CocoStuffSettings(root=tmp_path, split='val2017').open()[0]


def test_missing_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r'neither .*images/val2017 nor .*val2017'):
        CocoStuffSettings(root=tmp_path, split='val2017').open()


def test_lists_of_the_10k_select_from_the_164k(tmp_path: Path) -> None:
    names = ('000000000009', '000000000077', '000000000081')
    make_164k(tmp_path, 'images/train2017', 'annotations/train2017', names)
    image_list = tmp_path / 'train.txt'
    image_list.write_text('COCO_train2014_000000000077\n000000000009\n')
    dataset = CocoStuffSettings(root=tmp_path, split='train2017', image_list=image_list).open()
    assert dataset.description == 'COCO-Stuff train2017, train.txt (2 frames)'
    assert [sample.name for sample in dataset] == ['000000000009', '000000000077']
    image_list.write_text('COCO_train2014_000000000078\n')
    with pytest.raises(DatasetError, match=r'train\.txt names 000000000078, which is not in'):
        CocoStuffSettings(root=tmp_path, split='train2017', image_list=image_list).open()
    image_list.write_text('COCO_train2014_000000000077\n')
    (tmp_path / 'annotations' / 'train2017' / '000000000077.png').unlink()
    with pytest.raises(DatasetError, match=r'no labels in .* for .*000000000077\.jpg'):
        CocoStuffSettings(root=tmp_path, split='train2017', image_list=image_list).open()


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
    dataset = CocoStuff10kSettings(root=ten_thousand, split='test').open()
    assert dataset.label_space == COCO_STUFF
    assert dataset.description == 'COCO-Stuff-10k test (1 frame)'
    assert dataset[0].name == 'COCO_train2014_000000000077'
    assert dataset[0].labels.tolist() == CLASSES_IN_FILE
    (file,) = (ten_thousand / 'annotations').iterdir()
    file.write_bytes(decompress(MATLAB_FILE))
    assert dataset[0].labels.tolist() == CLASSES_IN_FILE


@pytest.mark.parametrize('folder', ['images', 'annotations'])
def test_a_file_missing_from_the_10k_is_named(ten_thousand: Path, folder: str) -> None:
    (missing,) = (ten_thousand / folder).iterdir()
    missing.unlink()
    with pytest.raises(DatasetError, match=rf'test\.txt names .*, but there is no {missing}'):
        CocoStuff10kSettings(root=ten_thousand, split='test').open()


def test_a_split_missing_from_the_10k_is_named(ten_thousand: Path) -> None:
    with pytest.raises(DatasetError, match=r'cannot read .*imageLists/train\.txt: No such file'):
        CocoStuff10kSettings(root=ten_thousand, split='train').open()
    (ten_thousand / 'imageLists' / 'train.txt').write_text('\n')
    with pytest.raises(DatasetError, match=r'train\.txt is empty'):
        CocoStuff10kSettings(root=ten_thousand, split='train').open()


def test_what_is_wrong_with_a_matlab_file_is_said(ten_thousand: Path) -> None:
    dataset = CocoStuff10kSettings(root=ten_thousand, split='test').open()
    (file,) = (ten_thousand / 'annotations').iterdir()
    savemat(file, {'T': np.zeros((2, 3), np.uint16)})
    with pytest.raises(DatasetError, match=r'\.mat has no variable S'):
        dataset[0]
    savemat(file, {'S': np.full((2, 3), 0.5)})
    with pytest.raises(DatasetError, match=r'S in .* is not a matrix of whole numbers'):
        dataset[0]
    for damaged in (MATLAB_FILE[:250], b'', b'no MATLAB file', bytes(100), bytes(600)):
        file.write_bytes(damaged)
        with pytest.raises(DatasetError, match=r'\.mat is not a MATLAB file, or is damaged'):
            dataset[0]
    savemat(file, {'S': np.zeros((40, 50), np.uint16)})
    content = file.read_bytes()
    tag = struct.pack('<II', 4, 2 * 40 * 50)  # of the values, uint16
    assert content.count(tag) == 1
    # SciPy alone would end the process with a segmentation fault.
    plain = content.replace(tag, struct.pack('<II', 255, 2 * 40 * 50))
    packed = zlib.compress(plain[128:])
    for damaged in (plain, plain[:128] + struct.pack('<II', 15, len(packed)) + packed):
        file.write_bytes(damaged)
        with pytest.raises(DatasetError, match=r'an element of type 255 in a numeric matrix'):
            dataset[0]
    # SciPy reads the first of two variables of a name, and calls any class logical by its flag.
    flags = struct.pack('<I', 11)  # uint16
    assert content[144:148] == flags
    cells = content[128:144] + struct.pack('<I', 1) + content[148:]
    for variables in (cells + content[128:], content[128:144] + struct.pack('<I', 0x201)):
        file.write_bytes(content[:128] + variables + content[128 + len(variables) :])
        with pytest.raises(DatasetError, match=r'S in .* is not a matrix of whole numbers'):
            dataset[0]
    file.write_bytes(MATLAB_FILE[:124] + b'\x00\x02IM' + bytes(600))
    with pytest.raises(DatasetError, match=r'\.mat is a MATLAB file of version 7\.3'):
        dataset[0]
    file.unlink()
    with pytest.raises(DatasetError, match=r'cannot read .*\.mat: No such file'):
        dataset[0]
