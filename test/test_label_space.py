# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Label spaces keep their promises and refuse contradictions."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bisenet_ros.errors import UserError
from bisenet_ros.label_space import CAMVID, CITYSCAPES, IGNORE, LabelSpace

RED, BLUE = (255, 0, 0), (0, 0, 255)


def test_ids_of_names() -> None:
    assert CAMVID.ids_of(('road', 'sky')) == (3, 0)
    with pytest.raises(UserError, match="no class 'lava': the classes are sky, building"):
        CAMVID.ids_of(('road', 'lava'))


def test_color_table_is_rgb_and_black_where_there_is_no_class() -> None:
    table = LabelSpace(('a', 'b'), (RED, BLUE), ()).color_table()
    assert table.shape == (256, 3)
    assert table.dtype == np.uint8
    np.testing.assert_array_equal(table[:2], [RED, BLUE])
    assert not table[2:].any()


def test_dict_round_trip_through_json() -> None:
    assert LabelSpace.from_dict(json.loads(json.dumps(CAMVID.to_dict()))) == CAMVID


@pytest.mark.parametrize(
    ('names', 'colors', 'drivable', 'message'),
    [
        ((), (), (), '1 to 255 classes, not 0'),
        (('a', 'a'), (RED, BLUE), (), 'unique'),
        (('a', 'b'), (RED,), (), '2 classes need 2 colours, not 1'),
        (('a',), ((0, 0, 256),), (), '0 to 255'),
        (('a',), ((0, 0, -1),), (), '0 to 255'),
        (('a',), (RED,), ('b',), "no class 'b'"),
    ],
)
def test_contradictions_are_refused(
    names: tuple[str, ...],
    colors: tuple[tuple[int, int, int], ...],
    drivable: tuple[str, ...],
    message: str,
) -> None:
    with pytest.raises(UserError, match=message):
        LabelSpace(names, colors, drivable)


@pytest.mark.parametrize(
    ('data', 'reason'),
    [
        ({'names': ['a'], 'drivable': []}, "KeyError: 'colors'"),
        ({'names': ['a'], 'colors': [['red', 0, 0]], 'drivable': []}, 'ValueError: '),
        ({'names': 1, 'colors': [], 'drivable': []}, 'TypeError: '),
    ],
)
def test_damaged_metadata_is_refused(data: dict[str, object], reason: str) -> None:
    with pytest.raises(UserError, match=f'needs names, colors and drivable: {reason}'):
        LabelSpace.from_dict(data)


def test_the_id_after_the_last_class_is_no_class_in_a_truth() -> None:
    labels = np.array([[0, 10, 11, 12, 254, IGNORE]], np.uint8)
    assert CAMVID.truth_of(labels).tolist() == [[0, 10, IGNORE, 12, 254, IGNORE]]


def test_no_id_is_the_ignore_value() -> None:
    with pytest.raises(UserError, match='not 256'):
        LabelSpace(tuple(map(str, range(256))), (RED,) * 256, ())
    assert len(CAMVID) <= IGNORE


def test_cityscapes_has_its_train_ids_and_colors() -> None:
    assert len(CITYSCAPES) == 19
    known = {'road': 0, 'traffic_light': 6, 'vegetation': 8, 'sky': 10, 'car': 13, 'bicycle': 18}
    assert CITYSCAPES.ids_of(known) == tuple(known.values())
    np.testing.assert_array_equal(CITYSCAPES.color_table()[[0, 13]], [(128, 64, 128), (0, 0, 142)])
    assert len(set(CITYSCAPES.colors)) == 19
    assert CITYSCAPES.drivable == ('road',)
