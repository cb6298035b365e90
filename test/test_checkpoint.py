# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints survive a round trip; what is no checkpoint is refused in one clear line."""

from __future__ import annotations

import gc
import json
import math
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from bisenet_ros.checkpoint import (
    METADATA_KEY,
    Checkpoint,
    CheckpointError,
    resolve_weights,
    shipped_weights,
)
from bisenet_ros.errors import UserError
from bisenet_ros.label_space import CAMVID, LabelSpace
from bisenet_ros.network import BiSeNetV2
from bisenet_ros.preprocess import Normalization


@pytest.fixture(scope='module')
def checkpoint() -> Checkpoint:
    torch.manual_seed(0)
    return Checkpoint(
        network='bisenetv2',
        label_space=CAMVID,
        normalization=Normalization((0.1, 0.2, 0.3), (0.4, 0.5, 0.6), 'bgr'),
        network_size=(480, 360),
        upsampling='nearest',
        state_dict=BiSeNetV2(len(CAMVID)).state_dict(),
        provenance={'data': 'none', 'steps': 0},
        accuracy={'nowhere': {'miou': 0.015}},
    )


@pytest.fixture
def path(checkpoint: Checkpoint, tmp_path: Path) -> Path:
    path = tmp_path / 'weights.safetensors'
    checkpoint.save(path)
    return path


def rewrite(path: Path, **changes: Any) -> None:
    """Change entries of the metadata in a file; None removes one."""
    with safe_open(path, framework='pt') as file:
        metadata = json.loads(file.metadata()[METADATA_KEY])
    metadata.update(changes)
    kept = {key: value for key, value in metadata.items() if value is not None}
    save_file(load_file(path), path, metadata={METADATA_KEY: json.dumps(kept)})


def test_round_trip(checkpoint: Checkpoint, path: Path) -> None:
    loaded = Checkpoint.load(path)
    for field in ('network', 'label_space', 'normalization', 'network_size', 'upsampling'):
        assert getattr(loaded, field) == getattr(checkpoint, field)
    assert loaded.provenance == checkpoint.provenance
    assert loaded.accuracy == checkpoint.accuracy
    for name, tensor in loaded.build().state_dict().items():
        expected = checkpoint.state_dict[name]
        torch.testing.assert_close(tensor, expected.half().to(expected.dtype))


def test_options_of_the_network_travel_with_it(checkpoint: Checkpoint, tmp_path: Path) -> None:
    path = tmp_path / 'biased.safetensors'
    state = BiSeNetV2(len(CAMVID), aggregation_bias=True).state_dict()
    replace(checkpoint, options={'aggregation_bias': True}, state_dict=state).save(path)
    loaded = Checkpoint.load(path)
    assert loaded.options == {'aggregation_bias': True}
    assert loaded.build().state_dict().keys() == state.keys()


def test_a_file_without_options_is_of_the_usual_form(path: Path) -> None:
    rewrite(path, options=None)
    assert Checkpoint.load(path).options == {}


def test_a_file_can_hold_exact_numbers(checkpoint: Checkpoint, tmp_path: Path) -> None:
    path = tmp_path / 'exact.safetensors'
    checkpoint.save(path, dtype=torch.float32)
    for name, tensor in Checkpoint.load(path).build().state_dict().items():
        assert tensor.equal(checkpoint.state_dict[name])


def test_the_file_holds_halves_and_is_small(path: Path) -> None:
    assert {t.dtype for t in load_file(path).values()} == {torch.float16, torch.int64}
    assert path.stat().st_size < 8_000_000


def test_a_file_that_is_cut_short_later_does_no_harm(path: Path) -> None:
    """Tensors that were pages of the mapped file would end the process with a bus error."""
    program = """
import os, sys
from bisenet_ros.checkpoint import Checkpoint
checkpoint = Checkpoint.load(sys.argv[1])
os.truncate(sys.argv[1], 0)
print(len([tensor.sum() for tensor in checkpoint.state_dict.values()]))
"""
    tensors = len(load_file(path))
    done = subprocess.run(
        [sys.executable, '-c', program, path], stdout=subprocess.PIPE, text=True, check=True
    )
    assert int(done.stdout) == tensors


def test_a_file_whose_name_is_not_utf8_is_not_called_damaged(path: Path) -> None:
    renamed = path.rename(path.with_name(os.fsdecode(b'gr\xfcn.safetensors')))
    reason = r'gr\\udcfcn.safetensors: the name is not UTF-8, which safetensors needs: rename it'
    with pytest.raises(UserError, match=reason):
        Checkpoint.load(renamed)


def test_loading_again_and_again_leaves_nothing_behind(path: Path) -> None:
    def objects() -> int:
        Checkpoint.load(path)
        gc.collect()
        return sys.getallocatedblocks()

    objects()
    before = objects()
    after = [objects() for _ in range(5)][-1]
    assert after - before < 5 * len(load_file(path)), 'not even one object for each tensor'


def test_what_float16_cannot_hold_is_kept_as_it_is(checkpoint: Checkpoint, tmp_path: Path) -> None:
    path = tmp_path / 'large.safetensors'
    name = 'detail.0.norm.running_var'
    large = checkpoint.state_dict[name] + 2e9
    state = {**checkpoint.state_dict, name: large}
    assert replace(checkpoint, state_dict=state).save(path) == [name]
    loaded = Checkpoint.load(path)
    assert loaded.state_dict[name].equal(large)
    assert loaded.state_dict['detail.0.conv.weight'].dtype == torch.float16
    assert loaded.build().state_dict()[name].equal(large)


@pytest.mark.parametrize('keep', [0, 5, 4000, 0.5, 0.999])
def test_a_truncated_file_is_refused(path: Path, keep: float) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole)) if keep < 1 else int(keep)])
    with pytest.raises(CheckpointError, match='not a whole safetensors file'):
        Checkpoint.load(path)


def test_a_pickle_is_refused_and_not_executed(tmp_path: Path) -> None:
    path = tmp_path / 'weights.pth'
    torch.save({'weight': torch.zeros(3)}, path)
    with pytest.raises(CheckpointError, match=r'not a whole safetensors file .* bisenet import'):
        Checkpoint.load(path)


@pytest.mark.parametrize(
    ('name', 'advice'),
    [('model.onnx', 'that this model was exported from'), ('image.png', 'as bisenet train and')],
)
def test_other_files_are_refused_with_advice(name: str, advice: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(bytes(range(100)))
    with pytest.raises(CheckpointError, match=f'not a whole safetensors file .* {advice}'):
        Checkpoint.load(path)


def test_a_foreign_safetensors_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / 'foreign.safetensors'
    save_file({'weight': torch.zeros(3)}, path)
    with pytest.raises(CheckpointError, match='not a bisenet_ros checkpoint'):
        Checkpoint.load(path)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'format': 2}, 'format 2, but this version'),
        ({'network': 'unet'}, r"unknown network 'unet': known are .*bisenetv2"),
        ({'channel_order': 'hsv'}, "unknown channel order 'hsv'"),
        ({'upsampling': 'bicubic'}, "unknown upsampling 'bicubic'"),
        (
            {'options': {'gate': 'norm'}},
            "unknown option of bisenetv2 'gate': known are aggregation_",
        ),
        ({'options': {'aggregation_bias': 'no'}}, "unknown aggregation_bias 'no': known are False"),
        ({'options': ['aggregation_bias']}, 'names with values'),
        ({'mean': None}, r"damaged \(KeyError: 'mean'\)"),
        ({'mean': [0.5]}, 'damaged'),
        ({'mean': [0.5, math.nan, 0.5]}, 'must be finite'),
        ({'std': [0.5, 0.0, 0.5]}, 'must be positive'),
        ({'network_size': [480, 16]}, 'network size 480x16 is not from 32 to 8192'),
        ({'label_space': {'names': ['a'], 'colors': [], 'drivable': []}}, 'need 1 colours, not 0'),
        ({'label_space': {'names': ['a']}}, 'needs names, colors and drivable'),
    ],
)
def test_wrong_metadata_is_named(path: Path, changes: dict[str, Any], message: str) -> None:
    rewrite(path, **changes)
    with pytest.raises(CheckpointError, match=message) as caught:
        Checkpoint.load(path)
    assert str(path) in str(caught.value)
    assert '\n' not in str(caught.value)


def test_weights_of_another_network_are_refused(checkpoint: Checkpoint) -> None:
    state = dict(checkpoint.state_dict)
    first = next(iter(state))
    with pytest.raises(CheckpointError, match=re.escape(f"lacks the tensor '{first}' (1 in")):
        replace(checkpoint, state_dict={k: v for k, v in state.items() if k != first}).build()
    with pytest.raises(CheckpointError, match="unknown tensor 'extra'"):
        replace(checkpoint, state_dict={**state, 'extra': torch.zeros(1)}).build()
    two = LabelSpace(('a', 'b'), ((0, 0, 0), (1, 1, 1)), ())
    with pytest.raises(CheckpointError, match=r'wrong shape .head\.classify'):
        replace(checkpoint, label_space=two).build()


def test_weights_that_are_not_finite_are_refused(checkpoint: Checkpoint, tmp_path: Path) -> None:
    state = dict(checkpoint.state_dict)
    state['head.classify.bias'] = torch.full((len(CAMVID),), float('nan'))
    replace(checkpoint, state_dict=state).save(tmp_path / 'nan.safetensors')
    with pytest.raises(CheckpointError, match='not finite'):
        Checkpoint.load(tmp_path / 'nan.safetensors')


@pytest.mark.parametrize('dtype', [torch.float8_e4m3fn, torch.uint8, torch.bool])
def test_weights_of_another_type_are_refused(path: Path, dtype: torch.dtype) -> None:
    tensors = load_file(path)
    with safe_open(path, framework='pt') as file:
        metadata = file.metadata()
    tensors['head.classify.bias'] = torch.zeros(len(CAMVID)).to(dtype)
    save_file(tensors, path, metadata)
    message = rf"tensor 'head\.classify\.bias' is of {dtype}: weights are of float16"
    with pytest.raises(CheckpointError, match=message):
        Checkpoint.load(path)


def test_missing_weights_say_what_there_is() -> None:
    with pytest.raises(CheckpointError, match=r"no weights 'nowhere'.*camvid"):
        resolve_weights('nowhere')
    for name in ('x' * 300, '~nobody_of_that_name/x'):
        with pytest.raises(CheckpointError, match='no weights'):
            resolve_weights(name)


def test_shipped_weights_are_small_and_load() -> None:
    assert 'camvid' in shipped_weights()
    for name in shipped_weights():
        assert resolve_weights(name).stat().st_size < 8_000_000
        checkpoint = Checkpoint.load(name)
        assert checkpoint.accuracy
        for figures in checkpoint.accuracy.values():
            assert all(0 <= value <= 1 for value in (figures['miou'], *figures['iou'].values()))
        assert checkpoint.provenance
        checkpoint.build()


@pytest.mark.skipif(os.geteuid() == 0, reason='needs a user who is not root: root reads everything')
def test_an_unreadable_file_is_named(path: Path) -> None:
    path.chmod(0)
    with pytest.raises(CheckpointError, match=r'cannot read .*weights\.safetensors'):
        Checkpoint.load(path)
