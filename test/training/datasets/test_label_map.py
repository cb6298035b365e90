# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Label maps: what they say, and what they may not say."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from bisenet_ros.label_space import CAMVID, LabelSpace
from bisenet_ros.resources import share_directory
from bisenet_ros.yaml_document import DocumentError
from bisenet_training.datasets.label_map import LabelMap

BY_ID = """
classes:
  - name: road
    color: [128, 64, 128]
    drivable: true
    ids: [7, 9]
  - name: person
    color: [220, 20, 60]
    ids: [24]
ignored:
  ids: [0, 255]
"""
BY_COLOR = """
classes:
  - {name: background, color: [0, 0, 0]}
  - {name: person, color: [220, 20, 60], colors: [[255, 255, 255], [250, 250, 250]]}
"""


def load(tmp_path: Path, text: str) -> LabelMap:
    path = tmp_path / 'labels.yaml'
    path.write_text(text)
    return LabelMap.load(path)


def test_the_label_space_is_what_the_classes_are(tmp_path: Path) -> None:
    assert load(tmp_path, BY_ID).label_space == LabelSpace(
        names=('road', 'person'), colors=((128, 64, 128), (220, 20, 60)), drivable=('road',)
    )
    assert load(tmp_path, BY_COLOR).label_space.drivable == ()


@pytest.mark.parametrize('text', [BY_ID, BY_COLOR])
def test_what_is_written_comes_back(tmp_path: Path, text: str) -> None:
    label_map = load(tmp_path, text)
    assert load(tmp_path, yaml.safe_dump(label_map.model_dump(mode='json'))) == label_map


@pytest.mark.parametrize(
    ('text', 'replaced', 'by', 'message'),
    [
        (BY_ID, 'ids: [24]', 'ids: [24, 7]', 'the id 7 is given twice'),
        (BY_ID, 'ids: [0, 255]', 'ids: [0, 24]', 'the id 24 is given twice'),
        (BY_ID, 'name: person', 'name: road', 'two classes are called road'),
        (BY_ID, '[220, 20, 60]', '[128, 64, 128]', r'two classes are drawn in \[128, 64, 128\]'),
        (BY_ID, '    ids: [24]\n', '', 'other classes have ids, but person has none'),
        (BY_ID, 'ids: [24]', 'colors: [[1, 2, 3]]', 'other classes have ids, but person has none'),
        (BY_ID, 'ids: [0, 255]', 'colors: [[1, 2, 3]]', 'ids or colors, not both'),
        (BY_ID, 'ids: [24]', 'ids: [70000]', r':9: classes\[1\]\.ids\[0\]: .*less than or equal'),
        (BY_ID, 'ids: [24]', 'ids: [x]', r':9: classes\[1\]\.ids\[0\]: .*valid integer'),
        (BY_ID, 'drivable', 'driveable', r':5: classes\[0\]\.driveable: unknown key; .* drivable'),
        (BY_ID, 'ignored', 'ignore', r':10: ignore: unknown key; did you mean ignored'),
        (BY_ID, '  ids: [0, 255]', '  id: [0]', r':11: ignored\.id: unknown key; did you mean ids'),
        (BY_ID, '  - name: road\n    color', '  - color', r':3: classes\[0\]\.name: is missing'),
        (BY_ID, '[220, 20, 60]', '[220, 20, 300]', r':8: classes\[1\]\.color\[2\]: .*255'),
        (BY_COLOR, '[[255, 255, 255]', '[[0, 0, 0]', r'the colour \[0, 0, 0\] is given twice'),
        (BY_COLOR, 'classes', 'ignored: {ids: [3]}\nclasses', 'ignored needs colors'),
        (BY_COLOR, BY_COLOR, 'classes:\n  - {name: a, color: [0, 0, 0]}', 'at least 2 items'),
        (BY_COLOR, BY_COLOR, '', 'must be a mapping of keys to values'),
        (BY_COLOR, 'classes:', 'classes: [', 'not YAML'),
    ],
)
def test_what_cannot_be_meant_is_refused(
    tmp_path: Path, text: str, replaced: str, by: str, message: str
) -> None:
    assert replaced in text
    with pytest.raises(DocumentError, match=message):
        load(tmp_path, text.replace(replaced, by))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=r'labels\.yaml: No such file'):
        LabelMap.load(tmp_path / 'labels.yaml')


def test_the_map_that_ships_has_all_colours_of_camvid() -> None:
    label_map = LabelMap.load(share_directory() / 'config' / 'label_maps' / 'camvid_colors.yaml')
    assert label_map.label_space == CAMVID
    colors = [color for entry in label_map.classes for color in entry.colors or (entry.color,)]
    assert len({*colors, *label_map.ignored.colors}) == 32
