# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Imported networks give the logits that the original ones gave; what is not whole is refused."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from published_files import LAYOUTS, expected_logits, image, published, sample, save_published
from safetensors.torch import save_file
from torch import Tensor

from bisenet_ros.checkpoint import Checkpoint, CheckpointError
from bisenet_ros.importing import import_weights
from bisenet_ros.label_space import CITYSCAPES, LabelSpace
from bisenet_ros.preprocess import Normalization

IMAGENET = Normalization((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CITYSCAPES_STATISTICS = Normalization((0.3257, 0.3690, 0.3223), (0.2112, 0.2148, 0.2115))


@dataclass(frozen=True)
class Facts:
    """What is known of a layout, and forms of its network that take the same tensors."""

    title: str
    upsampling: str
    normalization: Normalization
    heads: set[str]
    options: dict[str, Any] = field(default_factory=dict)
    confusable: tuple[dict[str, Any], ...] = ()


FACTS = {
    'cc_v1': Facts(
        "CoinCheung's BiSeNet V1",
        'nearest',
        CITYSCAPES_STATISTICS,
        {'conv_out16', 'conv_out32'},
        confusable=({'upsampling': 'bilinear'}, {'options': {'gate': 'norm_relu'}}),
    ),
    'cc_v1_july_2021': Facts(
        "CoinCheung's BiSeNet V1 of July 2021",
        'nearest',
        CITYSCAPES_STATISTICS,
        {'conv_out16', 'conv_out32'},
        options={'gate': 'bottleneck'},
        confusable=({'upsampling': 'bilinear'},),
    ),
    'cc_v2': Facts(
        "CoinCheung's BiSeNet V2",
        'nearest',
        CITYSCAPES_STATISTICS,
        {'aux2', 'aux3', 'aux4', 'aux5_4'},
        confusable=({'upsampling': 'bilinear'},),
    ),
    'mm_v1': Facts(
        "mmsegmentation's BiSeNet V1",
        'nearest',
        IMAGENET,
        {'auxiliary_head'},
        options={'gate': 'norm_relu'},
        confusable=({'upsampling': 'bilinear'}, {'options': {'gate': 'norm'}}),
    ),
    'mm_v2': Facts(
        "mmsegmentation's BiSeNet V2",
        'bilinear',
        IMAGENET,
        {'auxiliary_head'},
        options={'aggregation_bias': True},
        confusable=({'upsampling': 'nearest'},),
    ),
}


def test_every_layout_with_a_file_has_its_facts() -> None:
    assert FACTS.keys() == set(LAYOUTS)


needs_torchvision = pytest.mark.skipif(
    find_spec('torchvision') is None, reason='needs torchvision, which has the ResNets'
)


def with_layouts(*layouts: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        'layout',
        [
            pytest.param(layout, marks=[needs_torchvision] if 'v1' in layout else [])
            for layout in layouts
        ],
    )


@with_layouts(*FACTS)
def test_logits_are_those_of_the_original(layout: str, tmp_path: Path) -> None:
    expected = expected_logits(layout)
    checkpoint = import_weights(save_published(tmp_path / 'theirs.pth', layout)).checkpoint
    checkpoint.save(tmp_path / 'ours.safetensors', dtype=torch.float32)

    def error(checkpoint: Checkpoint) -> float:
        with torch.inference_mode():
            logits = sample(checkpoint.build()(image()))
        assert logits.shape == expected.shape == (1, len(CITYSCAPES), 4, 6)
        return float((logits - expected).norm() / expected.norm())

    assert error(Checkpoint.load(tmp_path / 'ours.safetensors')) < 1e-4
    # Had it been taken for another form, this would have been seen.
    for changes in FACTS[layout].confusable:
        assert error(replace(checkpoint, **changes)) > 1e-2


@with_layouts(*FACTS)
def test_what_is_imported_says_what_it_is(layout: str, tmp_path: Path) -> None:
    facts = FACTS[layout]
    imported = import_weights(save_published(tmp_path / 'theirs.pth', layout))
    checkpoint = imported.checkpoint
    assert imported.title == facts.title
    assert checkpoint.label_space == CITYSCAPES
    assert checkpoint.normalization == facts.normalization
    assert checkpoint.network_size == (2048, 1024)
    assert (checkpoint.upsampling, checkpoint.options) == (facts.upsampling, facts.options)
    assert checkpoint.provenance['imported_from'] == facts.title
    assert re.fullmatch('[0-9a-f]{64}', checkpoint.provenance['sha256'])


@with_layouts(*FACTS)
def test_every_tensor_is_accounted_for(layout: str, tmp_path: Path) -> None:
    tensors = published(layout)
    imported = import_weights(save_published(tmp_path / 'theirs.pth', layout))
    assert {name.split('.')[0] for name in imported.left_out} == FACTS[layout].heads
    taken = tensors.keys() - set(imported.left_out)
    ours = imported.checkpoint.state_dict
    assert len(ours) == len(taken)
    assert sorted(tensor.sum().item() for tensor in ours.values()) == sorted(
        tensors[name].sum().item() for name in taken
    )


@with_layouts('cc_v2', 'mm_v2')
def test_auxiliary_heads_may_be_missing(layout: str, tmp_path: Path) -> None:
    heads = tuple(FACTS[layout].heads)
    changes = {name: None for name in published(layout) if name.startswith(heads)}
    imported = import_weights(save_published(tmp_path / 'theirs.pth', layout, **changes))
    assert imported.left_out == ()


@pytest.mark.parametrize(
    'counts', [None, torch.tensor(7.0).half(), torch.tensor(7, dtype=torch.int32)]
)
def test_counts_of_batches_may_be_missing_or_of_another_type(
    counts: Tensor | None, plain: Checkpoint, tmp_path: Path
) -> None:
    names = [name for name in published('cc_v2') if name.endswith('num_batches_tracked')]
    path = save_published(tmp_path / 'theirs.pth', 'cc_v2', **dict.fromkeys(names, counts))
    state_dict = import_weights(path).checkpoint.state_dict
    for name, tensor in plain.state_dict.items():
        if name.endswith('num_batches_tracked'):
            assert state_dict[name].dtype == torch.int64
        else:
            assert state_dict[name].equal(tensor)


def prefixed(prefix: str) -> dict[str, Tensor]:
    return {f'{prefix}{name}': tensor for name, tensor in published('cc_v2').items()}


@pytest.fixture(scope='module')
def plain(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """What is imported of a file without wrappers."""
    path = tmp_path_factory.mktemp('plain') / 'theirs.pth'
    return import_weights(save_published(path, 'cc_v2')).checkpoint


@pytest.mark.parametrize(
    ('content', 'wrapper'),
    [
        (prefixed('module.'), "the prefix 'module.'"),
        (prefixed(''), ''),
        (prefixed('_orig_mod.'), "'_orig_mod.' in the tensors' names"),
        (prefixed('module._orig_mod.'), "the prefix 'module.', '_orig_mod.' in the tensors' names"),
        ({'state_dict': prefixed('model.'), 'epoch': 3}, "'state_dict', the prefix 'model.'"),
        ({'model': prefixed(''), 'optimizer': {'state': {}}}, "'model'"),
        ({'model_state_dict': prefixed('net.module.')}, "'model_state_dict', the prefix 'net."),
        ({'ema': {'module': prefixed(''), 'updates': 9}, 'model': {}}, "'ema', 'module'"),
    ],
)
def test_wrappers_are_taken_off(
    content: dict[str, Any], wrapper: str, plain: Checkpoint, tmp_path: Path
) -> None:
    torch.save(content, tmp_path / 'theirs.pth')
    imported = import_weights(tmp_path / 'theirs.pth')
    assert imported.wrapper.startswith(wrapper)
    assert bool(imported.wrapper) == bool(wrapper)
    for name, tensor in imported.checkpoint.state_dict.items():
        assert tensor.equal(plain.state_dict[name])


def test_a_tensor_beside_a_wrapped_network_is_named(tmp_path: Path) -> None:
    torch.save(prefixed('model.') | {'criterion.weight': torch.ones(19)}, tmp_path / 'theirs.pth')
    refuses(tmp_path / 'theirs.pth', "has an unknown tensor 'criterion.weight' (1 in")


def test_files_of_another_kind_are_named(tmp_path: Path) -> None:
    path = tmp_path / 'theirs.pth'
    path.write_bytes(b'<!DOCTYPE html><html>Quota exceeded</html>')
    refuses(path, 'is a web page')
    path.write_bytes(b'version https://git-lfs.github.com/spec/v1')
    refuses(path, 'is a Git LFS pointer')
    save_file(published('cc_v2'), path)
    refuses(path, 'is a safetensors file')
    torch.jit.save(torch.jit.script(torch.nn.ReLU()), path)
    refuses(path, 'is a TorchScript program')
    torch.save({'stem.weight': torch.zeros(1)}, path)
    refuses(path, "tensors of an unknown network, such as 'stem.weight'")


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'bga.conv.0.weight': None}, "lacks the tensor 'bga.conv.0.weight' (1 in"),
        ({'head.conv_out.1.bias': None}, "lacks the tensor 'head.conv_out.1.bias'"),
        ({'extra': torch.zeros(1)}, "has an unknown tensor 'extra' (1 in total)"),
        ({'bga.conv.1.bias': torch.zeros(2)}, "of the wrong shape 'bga.conv.1.bias'"),
        ({'bga.conv.1.bias': torch.ones(128, dtype=torch.bool)}, "wrong type 'bga.conv.1.bias'"),
        ({'bga.conv.1.bias': torch.ones(128, dtype=torch.int32)}, "wrong type 'bga.conv.1.bias'"),
        ({'bga.conv.1.bias': torch.ones(128).to_sparse()}, "wrong type 'bga.conv.1.bias'"),
        ({'bga.conv.1.bias': torch.ones(128, device='meta')}, "wrong type 'bga.conv.1.bias'"),
        ({'bga.conv.1.bias': torch.full((128,), 1e300, dtype=torch.float64)}, "not finite 'bga.c"),
        ({'bga.conv.1.bias': torch.full((128,), torch.nan)}, "not finite 'bga.conv.1.bias'"),
        ({'bga.conv.1.running_var': torch.full((128,), -1.0)}, "variance 'bga.conv.1.running_var'"),
        ({'bga.left1.2.weight': None}, 'tensors of an unknown network'),
    ],
)
def test_a_tensor_that_is_not_right_is_named(
    changes: dict[str, Tensor | None], message: str, tmp_path: Path
) -> None:
    path = save_published(tmp_path / 'theirs.pth', 'cc_v2', **changes)
    refuses(path, message)


@pytest.mark.parametrize(
    ('layout', 'changes', 'message'),
    [
        (
            'cc_v2',
            {
                'head.conv_out.1.weight': None,
                'head.conv_out.1.bias': None,
                'head.conv_out.0.weight': torch.zeros(19 * 64, 1024, 1, 1),
                'head.conv_out.0.bias': torch.zeros(19 * 64),
            },
            'before July 2021',
        ),
        (
            'cc_v2',
            {
                'head.conv_out.1.weight': None,
                'head.conv_out.1.bias': None,
                'head.conv_out.weight': torch.zeros(19, 1024, 1, 1),
                'head.conv_out.bias': torch.zeros(19),
            },
            'before September 2020',
        ),
        (
            'cc_v1_july_2021',
            {
                'conv_out.conv_out.weight': torch.zeros(19 * 64, 256, 1, 1),
                'conv_out.conv_out.bias': torch.zeros(19 * 64),
            },
            'before July 2021',
        ),
        (
            'cc_v1_july_2021',
            {
                'conv_out.conv_out.weight': torch.zeros(2 * 64, 256, 1, 1),
                'conv_out.conv_out.bias': torch.zeros(2 * 64),
                'conv_out32.conv_out.weight': torch.zeros(2 * 256, 64, 1, 1),
                'conv_out32.conv_out.bias': torch.zeros(2 * 256),
            },
            'before July 2021',
        ),
        ('cc_v1_july_2021', {'conv_out.conv_out.bias': None}, 'before September 2020'),
        (
            'mm_v1',
            {'backbone.context_path.backbone.layer1.0.conv3.weight': torch.zeros(1)},
            'use the one on ResNet-18',
        ),
        (
            'mm_v2',
            {
                'decode_head.conv_seg.weight': torch.zeros(1, 1024, 1, 1),
                'decode_head.conv_seg.bias': torch.zeros(1),
            },
            'has one output, which tells two classes apart by a threshold',
        ),
    ],
)
def test_other_forms_of_the_networks_are_refused(
    layout: str, changes: dict[str, Tensor | None], message: str, tmp_path: Path
) -> None:
    refuses(save_published(tmp_path / 'theirs.pth', layout, **changes), message)


class Code:
    """Runs when it is unpickled by a reader that does not take care."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.trace,)


@pytest.mark.parametrize('zipped', [True, False])
def test_pickled_code_never_runs(zipped: bool, tmp_path: Path) -> None:
    path, trace = tmp_path / 'code.pth', tmp_path / 'trace'
    content = {'state_dict': published('cc_v2'), 'hook': Code(trace)}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    torch.load(path, weights_only=False)
    assert trace.exists(), 'the code would run'
    trace.unlink()
    refuses(path, 'contains Python objects')
    assert not trace.exists()


@pytest.mark.parametrize('zipped', [True, False])
@pytest.mark.parametrize('keep', [0.0, 0.001, 0.01, 0.5, 0.9999])
def test_a_truncated_file_is_refused(keep: float, zipped: bool, tmp_path: Path) -> None:
    path = tmp_path / 'theirs.pth'
    torch.save(published('cc_v2'), path, _use_new_zipfile_serialization=zipped)
    os.truncate(path, int(keep * path.stat().st_size))
    refuses(path, 'a truncated or damaged weights file of PyTorch')


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / 'theirs.pth'
    refuses(path, f'cannot read {path}: No such file')
    refuses(tmp_path, f'cannot read {tmp_path}: Is a directory')
    path.write_text('not weights')
    refuses(path, 'is not a weights file of PyTorch: give a .pth or .pt file')
    for content in ([torch.zeros(1)], {'step': 3}, {'state_dict': {3: torch.zeros(1)}}):
        torch.save(content, path)
        refuses(path, 'has no state dict')
    torch.save({'conv1.weight': torch.zeros(1)}, path)
    refuses(path, "known networks are CoinCheung's BiSeNet V2,")


TWO = LabelSpace(('free', 'blocked'), ((0, 255, 0), (255, 0, 0)), ('free',))
OWN = Normalization((0.4, 0.4, 0.4), (0.2, 0.2, 0.2))


def two_classes(path: Path, layout: str, head: str) -> Path:
    """A file with two classes in place of 19."""
    tensors = published(layout)
    changes = {
        f'{head}.{name}': tensors[f'{head}.{name}'][: len(TWO)] for name in ('weight', 'bias')
    }
    return save_published(path, layout, **changes)


def test_other_classes_have_to_be_told(tmp_path: Path) -> None:
    path = two_classes(tmp_path / 'theirs.pth', 'cc_v2', 'head.conv_out.1')
    refuses(path, 'has 2 classes, so it was not trained on Cityscapes')
    refuses(path, 'give --label-space, --mean and --std, --network-size')
    refuses(path, 'Cityscapes: give --mean and --std', label_space=TWO, network_size=(640, 480))
    refuses(path, 'has 2 classes, but the label space has 19', label_space=CITYSCAPES)
    checkpoint = import_weights(
        path, label_space=TWO, normalization=OWN, network_size=(640, 480)
    ).checkpoint
    assert checkpoint.label_space == TWO
    assert checkpoint.normalization == OWN
    assert checkpoint.network_size == (640, 480)
    assert checkpoint.build()(image()).shape == (1, 2, 64, 96)


def test_mmsegmentation_has_one_input_for_all_classes(tmp_path: Path) -> None:
    path = two_classes(tmp_path / 'theirs.pth', 'mm_v2', 'decode_head.conv_seg')
    imported = import_weights(path, label_space=TWO, network_size=(640, 480))
    assert imported.checkpoint.normalization == IMAGENET


def test_nineteen_other_classes_are_not_taken_for_cityscapes(tmp_path: Path) -> None:
    path = save_published(tmp_path / 'theirs.pth', 'cc_v2')
    names = tuple(f'class_{index}' for index in range(len(CITYSCAPES)))
    space = LabelSpace(names, CITYSCAPES.colors, ('class_0',))
    refuses(path, 'give --mean and --std, --network-size', label_space=space)


def test_cityscapes_may_have_other_colors_and_drivable_classes(tmp_path: Path) -> None:
    path = save_published(tmp_path / 'theirs.pth', 'cc_v2')
    space = LabelSpace(CITYSCAPES.names, CITYSCAPES.colors, ('road', 'sidewalk'))
    own, usual = (import_weights(path, label_space=s).checkpoint for s in (space, None))
    assert own.label_space == space
    assert (own.normalization, own.network_size) == (usual.normalization, usual.network_size)


def refuses(path: Path, message: str, **told: Any) -> None:
    with pytest.raises(CheckpointError, match=re.escape(message)) as caught:
        import_weights(path, **told)
    assert str(path) in str(caught.value)
    assert '\n' not in str(caught.value)
