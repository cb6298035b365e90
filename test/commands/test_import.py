# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`bisenet import` writes a checkpoint, says what it left out, and refuses in one line."""

from __future__ import annotations

import json
import os
import resource
from pathlib import Path

import pytest
import torch
from command_line import bisenet
from published_files import published, save_published

from bisenet_ros.checkpoint import Checkpoint
from bisenet_ros.label_space import CITYSCAPES
from bisenet_ros.resources import share_directory


@pytest.fixture(scope='module')
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_published(tmp_path_factory.mktemp('published') / 'theirs.pth', 'mm_v2')


def bisenet_import(*arguments: str | Path) -> tuple[int, str]:
    """The exit code and standard error."""
    result = bisenet('import', *arguments)
    assert result.stdout == ''
    return result.exit_code, result.stderr


def test_a_published_file_becomes_a_checkpoint(source: Path, tmp_path: Path) -> None:
    output = tmp_path / 'new' / 'cityscapes.safetensors'
    code, text = bisenet_import(source, '-o', output)
    assert code == 0, text
    assert "mmsegmentation's BiSeNet V2, 19 classes: 329 tensors into" in text
    assert 'left out: 56 tensors of heads that only training needs (auxiliary_head)' in text
    checkpoint = Checkpoint.load(output)
    assert checkpoint.label_space == CITYSCAPES
    # Not rounded to halves: the logits are to be theirs.
    bias = published('mm_v2')['decode_head.conv_seg.bias']
    assert checkpoint.state_dict['head.classify.bias'].equal(bias)


def test_what_was_trained_can_be_told(source: Path, tmp_path: Path) -> None:
    space = {
        'names': [f'class_{index}' for index in range(19)],
        'colors': [[index, 0, 0] for index in range(19)],
        'drivable': ['class_3'],
    }
    # As editors on Windows write it, with a byte order mark.
    (tmp_path / 'space.json').write_text(json.dumps(space), encoding='utf-8-sig')
    output = tmp_path / 'ours.safetensors'
    told = ['--label-space', tmp_path / 'space.json', '--network-size', '640', '384']
    told += ['--mean', '0.1', '0.2', '0.3', '--std', '0.4', '0.5', '0.6']
    code, text = bisenet_import(source, '-o', output, *told)
    assert code == 0, text
    checkpoint = Checkpoint.load(output)
    assert checkpoint.label_space.to_dict() == space
    assert checkpoint.network_size == (640, 384)
    assert checkpoint.normalization.mean == (0.1, 0.2, 0.3)
    assert checkpoint.normalization.std == (0.4, 0.5, 0.6)


def test_a_refusal_is_one_line_and_leaves_nothing(source: Path, tmp_path: Path) -> None:
    output = tmp_path / 'ours.safetensors'
    foreign = tmp_path / 'foreign.pth'
    torch.save({'weight': torch.zeros(1)}, foreign)
    broken = tmp_path / 'broken.json'
    broken.write_text('{')
    black = ['--mean', '0', '0', '0']
    label_map = share_directory() / 'config' / 'label_maps' / 'camvid_colors.yaml'
    partial = tmp_path / 'partial.json'
    partial.write_text('{"names": ["road"]}')
    for message, *arguments in (
        ('has tensors of an unknown network', foreign, '-o', output),
        ('cannot read', tmp_path / 'nowhere.pth', '-o', output),
        (
            'the name of a checkpoint must end with .safetensors',
            source,
            '-o',
            tmp_path / 'ours.pth',
        ),
        (
            'the name is not UTF-8, which safetensors needs',
            source,
            '-o',
            tmp_path / os.fsdecode(b'gr\xfcn.safetensors'),
        ),
        ('Not a directory', source, '-o', foreign / 'ours.safetensors'),
        ('give both --mean and --std', source, '-o', output, *black),
        ('must be positive', source, '-o', output, *black, '--std', '1', '0', '1'),
        ('must be finite', source, '-o', output, *black, '--std', '1', 'nan', '1'),
        ('is not from 32 to 8192', source, '-o', output, '--network-size', '9000', '512'),
        ('cannot read', source, '-o', output, '--label-space', tmp_path / 'nowhere.json'),
        ('is not JSON', source, '-o', output, '--label-space', broken),
        ('unlike the label map of a data set', source, '-o', output, '--label-space', label_map),
        ('needs names, colors and drivable', source, '-o', output, '--label-space', partial),
    ):
        code, text = bisenet_import(*arguments)
        assert code == 2, message
        assert message in text
        assert len(text.splitlines()) == 1
        assert not output.exists()


def test_a_full_disk_leaves_the_older_file(source: Path, tmp_path: Path) -> None:
    older = tmp_path / 'ours.safetensors'
    older.write_text('older')
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))  # files cannot grow beyond that
    try:
        code, text = bisenet_import(source, '-o', older)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (code, text) == (2, f'bisenet: {older}: File too large\n')
    assert older.read_text() == 'older'
    assert list(tmp_path.iterdir()) == [older]
