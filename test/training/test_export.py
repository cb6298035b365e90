# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Exported files do what the checkpoint does, say what they are, and are else not kept."""

from __future__ import annotations

import json
import os
import resource
import shutil
import sys
from dataclasses import replace
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch
from command_line import bisenet
from network_names import LARGER, SMALLER
from tiny_checkpoint import save_tiny_checkpoint
from torch import nn

from bisenet_ros.checkpoint import Checkpoint
from bisenet_ros.errors import UserError
from bisenet_ros.extras import EXTRAS
from bisenet_ros.label_space import CAMVID, LabelSpace
from bisenet_ros.network import NETWORKS
from bisenet_ros.preprocess import Normalization
from bisenet_ros.resizing import resize
from bisenet_ros.segmenter import Segmenter
from bisenet_training.export.exporting import export
from bisenet_training.export.formats import FORMATS, FormatName
from bisenet_training.export.metadata import Interface, Metadata
from bisenet_training.export.parity import TOLERANCES, Parity
from bisenet_training.export.runner import ExportedSegmenter

Frame = npt.NDArray[np.uint8]

LABEL_SPACE = LabelSpace(
    names=('road', 'wall', 'sky'),
    colors=((128, 64, 128), (102, 102, 156), (70, 130, 180)),
    drivable=('road',),
)
SIZE = (70, 40)  # padded to 96x64 and cropped
FRAMES_IN_LABELS_OUT = Interface('frames', 'labels', 'fp32')
IMAGES_IN_LOGITS_OUT = Interface('images', 'logits', 'fp32')

pytestmark = pytest.mark.filterwarnings('ignore:.torch.jit.*is deprecated:DeprecationWarning')


def parametrize(*names: FormatName) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        'name',
        [
            pytest.param(
                name,
                marks=[
                    pytest.mark.skipif(
                        any(find_spec(package) is None for package in FORMATS[name].packages),
                        reason=f'needs {FORMATS[name].title}',
                    ),
                    *([pytest.mark.slow] if name == 'onnx' else []),
                ],
            )
            for name in names
        ],
    )


every_format = parametrize(*FORMATS)


def make_checkpoint(network: str = 'bisenetv2') -> Checkpoint:
    """Untrained weights, with batch norms that are not the identity."""
    generator = torch.manual_seed(0)
    module = NETWORKS[network](len(LABEL_SPACE))
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            assert norm.running_mean is not None
            assert norm.running_var is not None
            norm.running_mean.normal_(0, 0.2, generator=generator)
            norm.running_var.uniform_(0.5, 2, generator=generator)
    return Checkpoint(
        network=network,
        label_space=LABEL_SPACE,
        normalization=Normalization(mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3)),
        network_size=(64, 32),
        upsampling=module.upsampling,
        state_dict=module.state_dict(),
        provenance={'data': 'nothing: untrained <&">'},
    )


def make_frame(width: int, height: int, seed: int = 0) -> Frame:
    """Soft patches of colour."""
    patches = np.random.default_rng(seed).integers(0, 256, (8, 10, 3), np.uint8)
    return resize(patches, (width, height))


FRAMES = [make_frame(120, 90, seed) for seed in range(3)]


def export_tiny(
    name: FormatName, folder: Path, interface: Interface, network: str = 'bisenetv2'
) -> tuple[Path, Parity]:
    path = folder / f'model{FORMATS[name].suffix}'
    checkpoint = make_checkpoint(network)
    parity = export(checkpoint, FORMATS[name], path, interface, network_size=SIZE, frames=FRAMES)
    return path, parity


class Exported(Protocol):
    def __call__(
        self, name: FormatName, interface: Interface, network: str = 'bisenetv2'
    ) -> tuple[Path, Parity]: ...


@pytest.fixture(scope='module')
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Exports each file once, into a folder of its own: ONNX takes seconds."""

    @lru_cache
    def export_once(name: FormatName, interface: Interface, network: str) -> tuple[Path, Parity]:
        return export_tiny(name, tmp_path_factory.mktemp(name), interface, network)

    return lambda name, interface, network='bisenetv2': export_once(name, interface, network)


# ---- what is written ----


def assert_can_be_exported(name: FormatName, network: str, exported: Exported) -> None:
    if 'resnet' in network and find_spec('torchvision') is None:
        pytest.skip('needs torchvision, which has the ResNets')
    path, parity = exported(name, IMAGES_IN_LOGITS_OUT, network)
    assert parity.frames == 3
    assert parity.max_logit_difference is not None
    assert 0 < parity.max_logit_difference < 1e-3 * parity.max_logit
    assert ExportedSegmenter.load(path, device='cpu')(FRAMES[0]).labels.shape == (90, 120)


@every_format
@pytest.mark.parametrize('network', SMALLER)
def test_a_network_can_be_exported(name: FormatName, network: str, exported: Exported) -> None:
    assert_can_be_exported(name, network, exported)


@parametrize('openvino')
@pytest.mark.parametrize('network', LARGER)
def test_so_can_a_larger_one(name: FormatName, network: str, exported: Exported) -> None:
    assert_can_be_exported(name, network, exported)


@every_format
@pytest.mark.parametrize('interface', [FRAMES_IN_LABELS_OUT, IMAGES_IN_LOGITS_OUT])
def test_labels_are_those_of_the_segmenter(
    name: FormatName, interface: Interface, exported: Exported, tmp_path: Path
) -> None:
    checkpoint = replace(make_checkpoint(), network_size=SIZE)
    checkpoint.save(tmp_path / 'weights.safetensors', dtype=torch.float32)
    segmenter = Segmenter.load(
        tmp_path / 'weights.safetensors', device='cpu', precision='fp32', engine='torch'
    )
    path, _ = exported(name, interface)
    runner = ExportedSegmenter.load(path, device='cpu')
    assert (runner.label_space, runner.network_size) == (LABEL_SPACE, SIZE)
    assert (runner.device, runner.precision, runner.engine) == ('cpu', 'fp32', name)

    frame = make_frame(*SIZE)
    expected, result = segmenter(frame), runner(frame[:, ::-1][:, ::-1])
    assert np.mean(result.labels != expected.labels) < 0.001
    if interface.output == 'labels':
        assert result.confidence is None
    else:
        assert result.confidence is not None
        np.testing.assert_allclose(result.confidence, expected.confidence.astype(float), atol=1)

    # Upsampled twice, to the network's size and to the frame's: nearly the same.
    large = make_frame(4 * SIZE[0], 3 * SIZE[1])
    assert runner(large).labels.shape == large.shape[:2]
    assert np.mean(runner(large).labels != segmenter(large).labels) < 0.05


@every_format
def test_fp16_halves_the_weights(name: FormatName, exported: Exported) -> None:
    sizes = {}
    for interface in (IMAGES_IN_LOGITS_OUT, replace(IMAGES_IN_LOGITS_OUT, precision='fp16')):
        path, parity = exported(name, interface)
        assert parity.differing_labels < 0.01
        sizes[interface.precision] = sum(file.stat().st_size for file in path.parent.iterdir())
        assert ExportedSegmenter.load(path, device='cpu').precision == interface.precision
    assert sizes['fp16'] < 0.6 * sizes['fp32']


@every_format
def test_a_file_says_what_it_is_and_nothing_else_is_left(
    name: FormatName, exported: Exported
) -> None:
    path, _ = exported(name, FRAMES_IN_LABELS_OUT)
    beside = ['model.bin'] if name == 'openvino' else []
    assert sorted(file.name for file in path.parent.iterdir()) == sorted([*beside, path.name])
    metadata = FORMATS[name].open(path, torch.device('cpu')).metadata
    assert metadata.interface == FRAMES_IN_LABELS_OUT
    assert metadata.checkpoint == replace(make_checkpoint(), network_size=SIZE, state_dict={})


def test_others_find_the_metadata_where_onnx_has_them(exported: Exported) -> None:
    onnx = pytest.importorskip('onnx', reason='needs the extra onnx')
    model = onnx.load(exported('onnx', FRAMES_IN_LABELS_OUT)[0])
    onnx.checker.check_model(model, full_check=True)
    documents = {entry.key: json.loads(entry.value) for entry in model.metadata_props}
    assert documents['bisenet_ros']['label_space']['names'] == ['road', 'wall', 'sky']
    assert documents['bisenet_ros_export'] == {
        'format': 1,
        'input': 'frames',
        'output': 'labels',
        'precision': 'fp32',
    }
    (shown,), (given,) = model.graph.input, model.graph.output
    assert (shown.name, given.name) == ('frames', 'labels')
    uint8 = onnx.TensorProto.UINT8
    assert (shown.type.tensor_type.elem_type, given.type.tensor_type.elem_type) == (uint8, uint8)
    batch, *fixed = shown.type.tensor_type.shape.dim
    assert batch.dim_param
    assert [dimension.dim_value for dimension in fixed] == [SIZE[1], SIZE[0], 3]


# ---- what is refused ----


@parametrize('openvino', 'torchscript')
def test_a_file_that_disagrees_is_not_kept(
    name: FormatName, exported: Exported, tmp_path: Path
) -> None:
    good, _ = exported(name, FRAMES_IN_LABELS_OUT)
    shutil.copytree(good.parent, tmp_path, dirs_exist_ok=True)
    path = tmp_path / good.name
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    checkpoint = make_checkpoint()
    weights = dict(checkpoint.state_dict)
    weights['head.classify.weight'] = 1e7 * weights['head.classify.weight']  # none for float16
    with pytest.raises(UserError, match=r'differs from PyTorch .* nothing was written'):
        export(
            replace(checkpoint, state_dict=weights),
            FORMATS[name],
            path,
            replace(IMAGES_IN_LOGITS_OUT, precision='fp16'),
            network_size=(64, 64),
            frames=FRAMES,
        )
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ('labels', 'difference', 'good'),
    [
        (0.0, 0.0, True),
        (0.0, 0.02, False),
        (0.001, 0.0, False),
        (0.001, None, False),
        (0.0, None, True),
        (0.0, float('nan'), False),
    ],
)
def test_either_difference_is_enough_to_refuse(
    labels: float, difference: float | None, good: bool
) -> None:
    parity = Parity(1, labels, difference, max_logit=10.0)
    if good:
        parity.check(TOLERANCES['fp32'])
    else:
        with pytest.raises(UserError, match='differs from PyTorch'):
            parity.check(TOLERANCES['fp32'])


@pytest.mark.parametrize(
    ('file', 'size', 'message'),
    [
        ('model.pt', SIZE, 'names of ONNX files must end with .onnx; --format'),
        ('model.onnx', (64, 31), 'network size 64x31 is not from 32 to 8192'),
        ('model.onnx', (9000, 64), 'network size 9000x64 is not from 32 to 8192'),
        ('file/model.onnx', SIZE, 'Not a directory|File exists'),
    ],
)
def test_what_cannot_be_written_is_refused(
    file: str, size: tuple[int, int], message: str, tmp_path: Path
) -> None:
    (tmp_path / 'file').touch()
    with pytest.raises(UserError, match=message):
        export(
            make_checkpoint(),
            FORMATS['onnx'],
            tmp_path / file,
            FRAMES_IN_LABELS_OUT,
            network_size=size,
            frames=FRAMES,
        )


@pytest.mark.skipif(torch.cuda.is_available(), reason='needs a machine without an NVIDIA GPU')
@every_format
def test_a_device_that_is_not_there_is_refused(name: FormatName, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="device 'cuda' needs an NVIDIA GPU"):
        export(
            make_checkpoint(),
            FORMATS[name],
            tmp_path / f'model{FORMATS[name].suffix}',
            FRAMES_IN_LABELS_OUT,
            network_size=SIZE,
            frames=FRAMES,
            device='cuda',
        )


@every_format
def test_a_full_disk_is_named_and_leaves_the_older_file(name: FormatName, tmp_path: Path) -> None:
    older = tmp_path / f'model{FORMATS[name].suffix}'
    older.write_text('older')
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))  # files cannot grow beyond that
    try:
        with pytest.raises(UserError, match=older.name):
            export_tiny(name, tmp_path, IMAGES_IN_LOGITS_OUT)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert older.read_text() == 'older'
    assert list(tmp_path.iterdir()) == [older]


@every_format
def test_what_is_missing_is_named(
    name: FormatName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = FORMATS[name]
    if target.packages:
        monkeypatch.setitem(sys.modules, target.packages[0], None)
        with pytest.raises(UserError, match=rf'pip install {EXTRAS[target.extra][0]}'):
            export_tiny(name, tmp_path, FRAMES_IN_LABELS_OUT)
    else:
        target.check_installed()


@every_format
def test_files_that_are_no_models_are_refused(name: FormatName, tmp_path: Path) -> None:
    path = tmp_path / f'model{FORMATS[name].suffix}'
    with pytest.raises(UserError, match='no such file'):
        ExportedSegmenter.load(path)
    for content in (b'', b'nothing of the kind', bytes(1000)):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r'model\..* cannot be run by'):
            ExportedSegmenter.load(path)


@every_format
def test_names_that_are_not_utf_8(name: FormatName, tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b'caf\xe9')
    export_tiny(name, folder, IMAGES_IN_LOGITS_OUT)
    ExportedSegmenter.load(folder / f'model{FORMATS[name].suffix}', device='cpu')


def test_other_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r'end with \.onnx, \.xml, \.torchscript'):
        ExportedSegmenter.load(tmp_path / 'model.pt')


def test_models_of_others_are_refused(tmp_path: Path) -> None:
    path = tmp_path / 'model.torchscript'
    torch.jit.save(torch.jit.trace(nn.ReLU(), torch.zeros(1)), path)
    with pytest.raises(UserError, match='lacks the metadata'):
        ExportedSegmenter.load(path)


@pytest.mark.parametrize(
    ('document', 'message'),
    [
        ('{', 'damaged .JSONDecodeError'),
        ('[]', 'damaged .TypeError'),
        ('{"format": 1}', 'damaged .KeyError'),
        ('{"format": 2}', 'has export format 2, but this version of bisenet_ros reads format 1'),
        (
            '{"format": 1, "input": "sound", "output": "labels", "precision": "fp32"}',
            "has an unknown value 'sound'; known are frames, images",
        ),
    ],
)
def test_damaged_metadata_is_refused(document: str, message: str) -> None:
    documents = Metadata(make_checkpoint(), FRAMES_IN_LABELS_OUT).to_dict()
    with pytest.raises(UserError, match=message):
        Metadata.from_dict(Path('model.onnx'), {**documents, 'bisenet_ros_export': document})


# ---- the command ----


def test_the_command_compares_on_frames_of_a_folder(tmp_path: Path) -> None:
    weights = save_tiny_checkpoint(tmp_path / 'tiny.safetensors')
    for index, frame in enumerate(FRAMES):
        cv2.imwrite(str(tmp_path / f'{index}.png'), frame)
    path = tmp_path / 'out' / 'model.torchscript'
    arguments = (
        f'export --format torchscript -o {path} --weights {weights} --frames {tmp_path} '
        '--preprocessing --argmax --network-size 96 64 --json -'
    )
    result = bisenet(*arguments.split())
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert figures.pop('differing_labels') < 1e-3
    assert figures.pop('max_logit') > 0
    assert figures == {
        'file': str(path),
        'input': 'frames',
        'output': 'labels',
        'precision': 'fp32',
        'frames': 3,
        'max_logit_difference': None,
    }
    assert ExportedSegmenter.load(path).network_size == (96, 64)


@parametrize('onnx')
def test_the_command_exports_the_weights_that_ship_by_itself(
    name: FormatName, tmp_path: Path
) -> None:
    path = tmp_path / f'model{FORMATS[name].suffix}'
    arguments = f'export --format {name} -o {path} --network-size 96 64'
    result = bisenet(*arguments.split())
    assert result.exit_code == 0, result.output
    runner = ExportedSegmenter.load(path, device='cpu')
    assert (runner.label_space, runner.network_size) == (CAMVID, (96, 64))


def test_the_command_needs_images_to_compare_on(tmp_path: Path) -> None:
    arguments = f'export -o {tmp_path}/model.onnx --frames {tmp_path}'
    result = bisenet(*arguments.split())
    assert result.exit_code == 2
    assert result.stderr == f'bisenet: {tmp_path}: no images in this folder\n'
