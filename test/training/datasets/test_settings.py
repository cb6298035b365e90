# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings name a data set, and opening finds it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError
from small_datasets import make_camvid_tree, make_cityscapes_tree, write_image

from bisenet_training.dataset_registry import DATASETS, settings_class
from bisenet_training.datasets import AnyDataset, DatasetSettings

SETTINGS: TypeAdapter[DatasetSettings] = TypeAdapter(AnyDataset)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a little of every data set."""
    make_camvid_tree(tmp_path / 'camvid', train=2, val=0, size=(64, 48))
    make_cityscapes_tree(tmp_path / 'cityscapes', train=3, val=0, size=(64, 32))
    write_image(tmp_path / 'coco/images/val2017/1.jpg', np.zeros((4, 4, 3), np.uint8))
    write_image(tmp_path / 'coco/annotations/val2017/1.png', np.zeros((4, 4), np.uint8))
    (tmp_path / 'coco/list.txt').write_text('1')
    (tmp_path / 'map.yaml').write_text(
        'classes:\n  - {name: a, color: [0, 0, 0], ids: [0]}\n'
        '  - {name: b, color: [255, 255, 255], ids: [1]}\n'
    )
    (tmp_path / 'pairs.txt').write_text('coco/images/val2017/1.jpg coco/annotations/val2017/1.png')
    return tmp_path


@pytest.mark.parametrize(
    ('values', 'description'),
    [
        ({'kind': 'camvid', 'root': 'camvid', 'split': 'train'}, 'CamVid train (2 frames)'),
        (
            {'kind': 'cityscapes', 'root': 'cityscapes', 'split': 'train'},
            'Cityscapes train (3 frames)',
        ),
        (
            {'kind': 'coco_stuff', 'root': 'coco', 'split': 'val2017'},
            'COCO-Stuff val2017 (1 frame)',
        ),
        (
            {
                'kind': 'coco_stuff',
                'root': 'coco',
                'split': 'val2017',
                'image_list': 'coco/list.txt',
            },
            'COCO-Stuff val2017, list.txt (1 frame)',
        ),
        (
            {
                'kind': 'pairs',
                'images': 'coco/images',
                'labels': 'coco/annotations',
                'label_map': 'map.yaml',
            },
            'coco/images (1 frame)',
        ),
        (
            {'kind': 'pair_list', 'pairs': 'pairs.txt', 'label_map': 'map.yaml'},
            'pairs.txt (1 frame)',
        ),
        (
            {'kind': 'synthetic', 'frames': 8, 'size': [64, 48]},
            'synthetic drive from seed 1000 (8 frames)',
        ),
    ],
    ids=lambda value: value['kind'] if isinstance(value, dict) else None,
)
def test_what_settings_name_is_opened(
    root: Path, monkeypatch: pytest.MonkeyPatch, values: dict[str, Any], description: str
) -> None:
    monkeypatch.chdir(root)
    assert SETTINGS.validate_python(values).open().description == description


@pytest.mark.parametrize(
    'values',
    [
        {'kind': 'imagenet', 'root': '.', 'split': 'train'},
        {'root': '.', 'split': 'train'},
        'camvid',
        {'kind': 'camvid', 'root': '.'},
        {'kind': 'camvid', 'root': '.', 'split': 'train', 'labels': 'train_ids'},
        {'kind': 'cityscapes', 'root': '.', 'split': 'train', 'labels': 'instances'},
        {'kind': 'synthetic', 'frames': 0},
        {'kind': 'synthetic', 'frames': 1, 'size': [16, 64]},
    ],
)
def test_what_names_nothing_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SETTINGS.validate_python(values)


@pytest.mark.parametrize('kind', DATASETS)
def test_every_line_of_the_registry_leads_to_settings_of_that_kind(kind: str) -> None:
    assert settings_class(kind).model_fields['kind'].default == kind


def test_paths_may_start_at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv('HOME', str(tmp_path))
    settings = SETTINGS.validate_python({'kind': 'camvid', 'root': '~/camvid', 'split': 'val'})
    assert settings.root == tmp_path / 'camvid'
