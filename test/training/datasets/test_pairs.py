# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Images and label images of any kind, by folder and by list."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from small_datasets import write_image

from bisenet_ros import media
from bisenet_ros.label_space import IGNORE
from bisenet_ros.yaml_document import DocumentError
from bisenet_training.datasets import DatasetError
from bisenet_training.datasets.image_file import read_ids
from bisenet_training.datasets.pairs import PairListSettings, PairsSettings

BY_ID = """
classes:
  - {name: road, color: [128, 64, 128], drivable: true, ids: [7, 65535]}
  - {name: other, color: [0, 0, 0], ids: [0, 1]}
ignored: {ids: [255]}
"""
BY_COLOR = """
classes:
  - {name: background, color: [0, 0, 0]}
  - {name: person, color: [220, 20, 60], colors: [[220, 20, 60], [255, 255, 255]]}
ignored: {colors: [[0, 0, 255]]}
"""
IMAGE = np.arange(18, dtype=np.uint8).reshape(2, 3, 3)
Dtypes = type[np.uint8] | type[np.uint16]


@pytest.fixture
def by_id(tmp_path: Path) -> Path:
    path = tmp_path / 'by_id.yaml'
    path.write_text(BY_ID)
    return path


@pytest.fixture
def by_color(tmp_path: Path) -> Path:
    path = tmp_path / 'by_color.yaml'
    path.write_text(BY_COLOR)
    return path


def folders(root: Path, label_map: Path) -> PairsSettings:
    """What `write_pair` has written."""
    return PairsSettings(images=root / 'images', labels=root / 'labels', label_map=label_map)


def write_pair(root: Path, name: str, labels: np.ndarray) -> None:
    write_image(root / 'images' / f'{name}.jpg', IMAGE)
    write_image(root / 'labels' / f'{name}.png', labels)


@pytest.mark.parametrize(('dtype', 'road'), [(np.uint8, 7), (np.uint16, 7), (np.uint16, 65535)])
def test_ids_of_8_and_16_bit(tmp_path: Path, by_id: Path, dtype: Dtypes, road: int) -> None:
    write_pair(tmp_path, 'a/b', np.array([[road, 0, 255], [1, 0, road]], dtype))
    dataset = folders(tmp_path, by_id).open()
    assert dataset.label_space.names == ('road', 'other')
    sample = dataset[0]
    assert sample.name == 'a/b'
    assert sample.labels.tolist() == [[0, 1, IGNORE], [1, 1, 0]]
    assert sample.labels.dtype == np.uint8


@pytest.mark.parametrize(('dtype', 'value'), [(np.uint8, 8), (np.uint16, 8), (np.uint16, 65534)])
def test_an_unknown_id_is_named(tmp_path: Path, by_id: Path, dtype: Dtypes, value: int) -> None:
    write_pair(tmp_path, 'a', np.array([[7, 0, 255], [1, value, value]], dtype))
    dataset = folders(tmp_path, by_id).open()
    expected = rf'a\.png has label {value}, first at column 1, row 1, which .*by_id\.yaml does'
    with pytest.raises(DatasetError, match=expected):
        dataset[0]


def test_a_binary_task_by_colour(tmp_path: Path, by_color: Path) -> None:
    black, red, white, blue = (0, 0, 0), (60, 20, 220), (255, 255, 255), (255, 0, 0)  # BGR
    write_pair(tmp_path, 'a', np.array([[black, red, blue], [white, black, red]], np.uint8))
    dataset = folders(tmp_path, by_color).open()
    assert dataset.label_space.names == ('background', 'person')
    assert dataset[0].labels.tolist() == [[0, 1, IGNORE], [1, 0, 1]]


def test_masks_of_black_and_white_are_colours(tmp_path: Path, by_color: Path) -> None:
    write_pair(tmp_path, 'a', np.array([[0, 255, 0], [255, 0, 0]], np.uint8))
    dataset = folders(tmp_path, by_color).open()
    assert dataset[0].labels.tolist() == [[0, 1, 0], [1, 0, 0]]


def test_an_unknown_colour_is_named_with_its_place(tmp_path: Path, by_color: Path) -> None:
    labels = np.zeros((2, 3, 3), np.uint8)
    labels[1, 2] = (3, 2, 1)
    write_pair(tmp_path, 'a', labels)
    dataset = folders(tmp_path, by_color).open()
    expected = r'a\.png has the colour \[1, 2, 3\], first at column 2, row 1, which .*by_color'
    with pytest.raises(DatasetError, match=expected):
        dataset[0]


def test_colours_in_a_lossy_file_are_refused(tmp_path: Path, by_color: Path) -> None:
    write_image(tmp_path / 'images' / 'a.png', IMAGE)
    write_image(tmp_path / 'labels' / 'a.jpg', np.zeros((2, 3, 3), np.uint8))
    dataset = folders(tmp_path, by_color).open()
    with pytest.raises(DatasetError, match=r'a\.jpg is a JPEG file, whose compression may change'):
        dataset[0]


def test_colours_do_not_pass_for_ids(tmp_path: Path, by_id: Path) -> None:
    write_pair(tmp_path, 'a', IMAGE)
    dataset = folders(tmp_path, by_id).open()
    with pytest.raises(
        DatasetError, match=r'a\.png: labels are one channel .* whose label map has colors'
    ):
        dataset[0]


@pytest.mark.parametrize('bits', [1, 2, 4, 8])
def test_a_palette_has_ids_and_colours(
    tmp_path: Path, by_id: Path, by_color: Path, bits: int
) -> None:
    """The same file: by id its indices count, by colour what the palette makes of them."""
    write_pair(tmp_path, 'a', np.zeros((2, 3), np.uint8))
    path = tmp_path / 'labels' / 'a.png'
    indices = np.array([[0, 1, 0], [1, 1, 0]], np.uint8)
    if bits == 8:
        indices[0, 0] = 255
    picture = Image.fromarray(indices)
    # Grey in the palette is not what it says: index 0 is white, 255 is blue.
    picture.putpalette([255, 255, 255, *([0] * 762), 0, 0, 255])
    picture.save(path, bits=bits, transparency=0)
    labels = folders(tmp_path, by_id).open()[0].labels
    np.testing.assert_array_equal(labels, np.where(indices == 255, IGNORE, 1))
    labels = folders(tmp_path, by_color).open()[0].labels
    np.testing.assert_array_equal(labels, np.where(indices == 255, IGNORE, indices == 0))


@pytest.mark.parametrize('bits', [1, 2, 4, 8])
def test_indices_are_read_as_they_were_written(tmp_path: Path, bits: int) -> None:
    indices = np.random.default_rng(bits).integers(0, 2**bits, (7, 13), np.uint8)
    picture = Image.fromarray(indices)
    picture.putpalette(list(range(255, -1, -1)) * 3)
    picture.save(tmp_path / 'indices.png', bits=bits)
    np.testing.assert_array_equal(read_ids(tmp_path / 'indices.png'), indices)
    whole = (tmp_path / 'indices.png').read_bytes()
    (tmp_path / 'indices.png').write_bytes(whole[:-30] + bytes(18) + whole[-12:])
    with pytest.raises(DatasetError, match=r'indices\.png: not an image, or damaged'):
        read_ids(tmp_path / 'indices.png')


def test_damaged_files_are_named(tmp_path: Path, by_id: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    image = write_image(tmp_path / 'images' / 'a.jpg', noise)
    labels = write_image(tmp_path / 'labels' / 'a.png', np.zeros((48, 64), np.uint8))
    dataset = folders(tmp_path, by_id).open()
    whole = labels.read_bytes()
    labels.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DatasetError, match=r'labels/a\.png: the PNG file is truncated: copy it'):
        dataset[0]
    labels.write_bytes(b'')
    with pytest.raises(DatasetError, match=r'labels/a\.png: not an image that OpenCV can read'):
        dataset[0]
    labels.unlink()
    with pytest.raises(DatasetError, match=r'labels/a\.png: No such file'):
        dataset[0]
    labels.write_bytes(whole)
    whole = image.read_bytes()
    image.write_bytes(whole[: len(whole) // 2])
    assert cv2.imread(str(image)) is not None, 'OpenCV does not mind'
    with pytest.raises(DatasetError, match=r'images/a\.jpg: the JPEG file is truncated'):
        dataset[0]


def test_images_are_taken_the_way_up_that_a_viewer_shows_them(tmp_path: Path, by_id: Path) -> None:
    write_pair(tmp_path, 'a', np.zeros((3, 2), np.uint8))  # as drawn with a labelling tool
    image = tmp_path / 'images' / 'a.jpg'
    plain = image.read_bytes()
    # An Exif block that says "turn by 90 degrees": orientation (tag 0x112, a short) is 6.
    tiff = b'II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00' + bytes(6)
    block = b'Exif\x00\x00' + tiff
    length = (len(block) + 2).to_bytes(2, 'big')
    image.write_bytes(plain[:2] + b'\xff\xe1' + length + block + plain[2:])
    sample = folders(tmp_path, by_id).open()[0]
    assert sample.image.shape == (3, 2, 3)
    np.testing.assert_array_equal(sample.image, media.read_image(image))


def test_lists_are_relative_to_themselves(tmp_path: Path, by_id: Path) -> None:
    labels = np.zeros((2, 3), np.uint8)
    for name in ('a', 'b', 'with blank'):
        write_pair(tmp_path, name, labels)
    pair_list = tmp_path / 'pairs.txt'
    pair_list.write_text(
        '\ufeff# image, labels\n'
        'images/b.jpg labels/b.png\n\n'
        f'images/with blank.jpg\tlabels/with blank.png\n{tmp_path}/images/a.jpg  labels/a.png\n'
    )
    dataset = PairListSettings(pairs=pair_list, label_map=by_id).open()
    assert [sample.name for sample in dataset] == [
        'images/b.jpg',
        'images/with blank.jpg',
        f'{tmp_path}/images/a.jpg',
    ]


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('images/a.jpg\n', "has a line that is not an image and .*: 'images/a.jpg'"),
        ('images/a.jpg labels/b.png\n', r'names .*labels/b\.png, which does not exist'),
        ('images/b.jpg labels/a.png\n', r'names .*images/b\.jpg, which does not exist'),
        (f'{"x" * 300} labels/a.png\n', r'names .*x, which does not exist'),
        ('# nothing\n', 'is empty'),
    ],
)
def test_lists_are_held_against_the_files(
    tmp_path: Path, by_id: Path, text: str, message: str
) -> None:
    write_pair(tmp_path, 'a', np.zeros((2, 3), np.uint8))
    pair_list = tmp_path / 'pairs.txt'
    pair_list.write_text(text)
    with pytest.raises(DatasetError, match=rf'pairs\.txt {message}'):
        PairListSettings(pairs=pair_list, label_map=by_id).open()


def test_paths_that_no_system_takes_do_not_exist(tmp_path: Path, by_id: Path) -> None:
    for path in ('x' * 300, '~nobody_of_that_name/images', 'nothing\0at all'):
        settings = PairsSettings.model_validate(
            {'images': path, 'labels': tmp_path, 'label_map': by_id}
        )
        with pytest.raises(DatasetError, match='no such folder'):
            settings.open()
        listed = PairListSettings.model_validate({'pairs': path, 'label_map': by_id})
        with pytest.raises(DatasetError, match='cannot read'):
            listed.open()
    write_pair(tmp_path, 'a', np.zeros((2, 3), np.uint8))
    with pytest.raises(DocumentError, match='null'):
        folders(tmp_path, Path('nothing\0at all')).open()


def test_a_list_that_is_no_text_is_refused(tmp_path: Path, by_id: Path) -> None:
    pair_list = tmp_path / 'pairs.txt'
    pair_list.write_bytes(b'\xff\xfe')
    with pytest.raises(DatasetError, match=r'pairs\.txt is not UTF-8 text'):
        PairListSettings(pairs=pair_list, label_map=by_id).open()


@pytest.mark.parametrize('separator', [',', ', ', ' , ', ' ,'])
def test_a_comma_separates_image_and_labels(tmp_path: Path, by_id: Path, separator: str) -> None:
    write_pair(tmp_path, 'with blank', np.zeros((2, 3), np.uint8))
    pair_list = tmp_path / 'pairs.txt'
    pair_list.write_text(f'images/with blank.jpg{separator}labels/with blank.png\n')
    assert len(list(PairListSettings(pairs=pair_list, label_map=by_id).open())) == 1


def test_images_of_every_format_that_record_reads_are_found(tmp_path: Path, by_id: Path) -> None:
    write_image(tmp_path / 'images' / 'a.ppm', IMAGE)
    write_image(tmp_path / 'labels' / 'a.pgm', np.uint8([[7, 0, 255], [1, 0, 7]]))
    (sample,) = folders(tmp_path, by_id).open()
    assert sample.labels.tolist() == [[0, 1, IGNORE], [1, 1, 0]]
    np.testing.assert_array_equal(sample.image, IMAGE)


def test_linked_subfolders_are_searched_and_hidden_files_are_not(
    tmp_path: Path, by_id: Path
) -> None:
    other_disk = tmp_path / 'other_disk'
    write_pair(tmp_path / 'data', 'day1/a', np.zeros((2, 3), np.uint8))
    write_pair(other_disk, 'b', np.zeros((2, 3), np.uint8))
    for kind in ('images', 'labels'):
        folder = tmp_path / 'data' / kind
        (folder / 'day2').symlink_to(other_disk / kind)
        (folder / 'day1' / 'back').symlink_to(folder)  # a circle
        (folder / 'again').symlink_to(folder / 'day1')  # another name, and no circle
    write_pair(tmp_path / 'data', '._a', np.zeros((2, 3), np.uint8))
    image = tmp_path / 'data' / 'images' / '.ipynb_checkpoints' / 'a-checkpoint.jpg'
    write_image(image, IMAGE)
    dataset = folders(tmp_path / 'data', by_id).open()
    assert [dataset.name_of(i) for i in range(len(dataset))] == ['again/a', 'day1/a', 'day2/b']
