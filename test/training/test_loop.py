# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Small but real trainings: they learn, and what they leave is what the vehicle loads."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from network_names import SMALLER
from small_datasets import make_cityscapes_tree, make_scene, write_image
from small_trainings import losses, small_config
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from bisenet_ros.checkpoint import Checkpoint
from bisenet_ros.engine.hardware import CAPABILITY_VARIABLE
from bisenet_ros.errors import UserError
from bisenet_ros.label_space import CITYSCAPES
from bisenet_ros.metrics import ConfusionMatrix
from bisenet_ros.segmenter import Segmenter
from bisenet_training.config import TrainingConfig
from bisenet_training.datasets import DatasetError
from bisenet_training.loop import fit
from bisenet_training.run_folder import read_rows

STEPS = 40

pytestmark = pytest.mark.usefixtures('no_charts')


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_cityscapes_tree(tmp_path_factory.mktemp('city'), train=16, val=6)


@pytest.fixture(scope='module')
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainingConfig, Path]:
    """A training that is long enough to learn something, and its folder."""
    folder = tmp_path_factory.mktemp('trained')
    config = small_config(folder, data, [f'max_steps={STEPS}', 'evaluate_every=20', 'batch=4'])
    assert fit(config, folder / 'run', resume=False) is None
    return config, folder / 'run'


def measure(config: TrainingConfig, weights: Path) -> ConfusionMatrix:
    """Of the labels that the vehicle would get, counted here."""
    assert config.validation is not None
    dataset = config.located(config.validation).open()
    segmenter = Segmenter.load(weights, device='cpu', engine='torch')
    matrix = ConfusionMatrix(len(dataset.label_space))
    for sample in dataset:
        matrix.update(segmenter(sample.image).labels, sample.labels)
    return matrix


def test_it_learns_more_than_any_constant(trained: tuple[TrainingConfig, Path]) -> None:
    config, run = trained
    matrix = measure(config, run / 'weights.safetensors')
    constant = matrix.counts.sum(1) / matrix.counts.sum()  # IoU of always the same class
    best_constant = constant.max() / np.count_nonzero(constant)
    assert best_constant < 0.12
    assert matrix.miou() > 0.5


def test_a_run_leaves_weights_that_know_what_they_are(
    trained: tuple[TrainingConfig, Path],
) -> None:
    config, run = trained
    checkpoint = Checkpoint.load(run / 'weights.safetensors')
    assert checkpoint.network == 'bisenetv2'
    assert checkpoint.label_space == CITYSCAPES
    assert checkpoint.network_size == config.network_size
    assert checkpoint.normalization == config.normalization.build()
    assert not any(name.startswith('boosters') for name in checkpoint.state_dict)
    best = max(read_rows(run / 'evaluations.csv'), key=lambda row: float(row['miou']))
    assert checkpoint.provenance['steps'] == int(best['step'])
    assert checkpoint.provenance['data'] == ['Cityscapes train (16 frames)']
    assert checkpoint.provenance['config']['optimizer']['lr'] == 0.003
    # Where the data were on this machine is nobody's business.
    assert str(config.data) not in json.dumps(dict(checkpoint.provenance))
    # What the file says of itself is what a segmenter makes of it.
    figures = checkpoint.accuracy['Cityscapes val (6 frames)']
    matrix = measure(config, run / 'weights.safetensors')
    assert figures['miou'] == pytest.approx(matrix.miou())
    assert figures['iou']['train'] is None


def test_a_run_leaves_a_folder_that_tells_about_it(trained: tuple[TrainingConfig, Path]) -> None:
    config, run = trained
    assert list(losses(run)) == list(range(1, STEPS + 1))
    assert [row['step'] for row in read_rows(run / 'evaluations.csv')] == ['20', '40']
    assert yaml.safe_load((run / 'config.yaml').read_text()) == config.model_dump(mode='json')
    environment = json.loads((run / 'environment.json').read_text())
    assert environment['versions']['torch'] == torch.__version__
    for picture in ('curves.png', 'samples/0.jpg', 'evaluation/confusion.png'):
        assert (run / picture).stat().st_size > 1000
    assert 'sidewalk' in (run / 'evaluation' / 'classes.csv').read_text()
    assert (run / 'evaluation' / 'report.md').is_file()
    board = EventAccumulator(str(run / 'tensorboard')).Reload()
    assert [event.step for event in board.Scalars('validation/miou')] == [20, 40]
    assert len(board.Scalars('loss')) == STEPS
    assert 'sample 0' in board.Tags()['images']


def test_states_hold_nothing_but_tensors_and_plain_values(
    trained: tuple[TrainingConfig, Path],
) -> None:
    _, run = trained
    for name in ('last', 'best'):
        state = torch.load(run / 'checkpoints' / f'{name}.ckpt', weights_only=True)
        assert state['step'] <= STEPS


@pytest.mark.parametrize('network', SMALLER)
def test_every_network_trains(network: str, data: Path, tmp_path: Path) -> None:
    if 'resnet' in network:
        pytest.importorskip('torchvision', reason='needs torchvision')
    config = small_config(
        tmp_path,
        data,
        [f'network.name={network}', 'max_steps=1', 'batch=2', 'crop=[64,64]', 'validation=null'],
    )
    fit(config, tmp_path / 'run', resume=False)
    checkpoint = Checkpoint.load(tmp_path / 'run' / 'weights.safetensors')
    assert checkpoint.network == network
    assert np.isfinite(losses(tmp_path / 'run')[1])


def test_a_part_of_a_batch_at_a_time_is_a_step_all_the_same(data: Path, tmp_path: Path) -> None:
    config = small_config(
        tmp_path, data, ['accumulate=2', 'max_steps=2', 'precision=bf16', 'validation=null']
    )
    fit(config, tmp_path / 'run', resume=False)
    assert list(losses(tmp_path / 'run')) == [1, 2]
    # One loss per step, of the size that the whole batch's loss has at the same weights.
    whole = small_config(tmp_path, data, ['max_steps=1', 'validation=null'])
    fit(whole, tmp_path / 'whole', resume=False)
    assert losses(tmp_path / 'run')[1] == pytest.approx(losses(tmp_path / 'whole')[1], rel=0.2)


def test_a_binary_task_trains_with_dice(tmp_path: Path) -> None:
    for index in range(4):
        image, labels = make_scene(index, (96, 64))
        road = labels == CITYSCAPES.names.index('road')
        write_image(tmp_path / 'images' / f'{index}.png', image)
        write_image(tmp_path / 'masks' / f'{index}.png', (255 * road).astype(np.uint8))
    (tmp_path / 'map.yaml').write_text(
        'classes:\n'
        '  - {name: background, color: [0, 0, 0], ids: [0]}\n'
        '  - {name: road, color: [128, 64, 128], ids: [255], drivable: true}\n'
    )
    dataset = '{kind: pairs, images: images, labels: masks, label_map: map.yaml}'
    config = small_config(
        tmp_path,
        tmp_path,
        [
            f'train=[{{dataset: {dataset}}}]',
            f'validation={dataset}',
            'loss.dice_weight=1',
            'max_steps=18',
            'evaluate_every=18',
        ],
    )
    fit(config, tmp_path / 'run', resume=False)
    checkpoint = Checkpoint.load(tmp_path / 'run' / 'weights.safetensors')
    assert checkpoint.label_space.names == ('background', 'road')
    (figures,) = checkpoint.accuracy.values()
    assert figures['miou'] > 0.5  # all road, or none: less than 0.4


def test_a_loss_that_is_no_number_stops_with_the_names_of_its_frames(
    data: Path, tmp_path: Path
) -> None:
    config = small_config(tmp_path, data, ['optimizer.lr=1.0e+30', 'save_every=1'])
    with pytest.raises(UserError) as caught:
        fit(config, tmp_path / 'run', resume=False)
    message = str(caught.value)
    assert message.startswith(('the loss is nan at step', 'the loss is inf at step'))
    assert message.count('smallville/smallville_000000_') == config.batch
    assert 'if one is wrong, correct it and use --resume' in message
    assert 'lower optimizer.lr or raise schedule.warmup_steps, and train again in ano' in message
    assert '\n' not in message
    # What was there before is still good.
    state = torch.load(tmp_path / 'run' / 'checkpoints' / 'last.ckpt', weights_only=True)
    step = int(message.partition('at step ')[2].partition(',')[0])
    assert state['step'] == step - 1
    assert list(losses(tmp_path / 'run')) == list(range(1, step))


def test_weights_that_cannot_be_evaluated_stop_with_what_to_change(
    data: Path, tmp_path: Path
) -> None:
    # The only loss is of the weights before the step.
    config = small_config(tmp_path, data, ['optimizer.lr=1.0e+30', 'max_steps=1'])
    with pytest.raises(UserError, match='after step 1 give logits that are not finite') as caught:
        fit(config, tmp_path / 'run', resume=False)
    assert 'lower optimizer.lr or raise schedule.warmup_steps, and train again in ano' in str(
        caught.value
    )
    assert list(losses(tmp_path / 'run')) == [1]


def test_last_weights_that_are_not_finite_are_not_written(data: Path, tmp_path: Path) -> None:
    overrides = ['optimizer.lr=1.0e+300', 'max_steps=1', 'validation=null']
    config = small_config(tmp_path, data, overrides)
    with pytest.raises(UserError, match=r'^the weights after step 1 are not finite: lower opt'):
        fit(config, tmp_path / 'run', resume=False)
    assert list((tmp_path / 'run').glob('weights.*')) == []


def test_a_training_starts_from_other_weights(
    trained: tuple[TrainingConfig, Path],
    data: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, run = trained
    weights = run / 'weights.safetensors'
    overrides = [f'network.initial_weights={weights}', 'max_steps=1', 'validation=null']
    fit(small_config(tmp_path, data, overrides), tmp_path / 'run', resume=False)
    assert 'normalization' not in capsys.readouterr().err
    from_scratch = losses(run)[1]
    assert losses(tmp_path / 'run')[1] < from_scratch / 2
    with pytest.raises(UserError, match=r'is a bisenetv2, but network\.name is bisenetv2_large'):
        fit(
            small_config(tmp_path, data, [*overrides, 'network.name=bisenetv2_large']),
            tmp_path / 'other',
            resume=False,
        )


def test_other_classes_take_over_all_but_the_last_layer(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    overrides = ['network.initial_weights=camvid', 'max_steps=1', 'validation=null']
    fit(small_config(tmp_path, data, overrides), tmp_path / 'run', resume=False)
    said = capsys.readouterr().err
    assert 'the classes or their order differ from those of the weights' in said
    assert 'another normalization; set normalization: {"mean": [0.4116, 0.4249, 0.4322],' in said
    ours = Checkpoint.load(tmp_path / 'run' / 'weights.safetensors').state_dict
    assert ours['head.classify.weight'].shape[0] == len(CITYSCAPES)


def test_a_cpu_that_emulates_bf16_is_pointed_out(
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(CAPABILITY_VARIABLE, 'avx2')
    for precision, times in (('bf16', 1), ('fp32', 0)):
        overrides = [f'precision={precision}', 'max_steps=1', 'validation=null']
        fit(small_config(tmp_path, data, overrides), tmp_path / precision, resume=False)
        said = capsys.readouterr().err
        assert said.count('emulates bf16') == said.count('use precision=fp32') == times, precision


def test_a_warmup_that_does_not_end_is_pointed_out(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number, (steps, start, times) in enumerate(((2, 0.1, 1), (1, 0.1, 0), (2, 1.0, 0))):
        warmup = {'warmup_steps': steps, 'warmup_start': start}
        overrides = [f'schedule.{name}={value}' for name, value in warmup.items()]
        overrides += ['max_steps=2', 'validation=null']
        fit(small_config(tmp_path, data, overrides), tmp_path / f'{number}', resume=False)
        said = ' '.join(capsys.readouterr().err.split())
        warning = 'does not reach optimizer.lr: schedule.warmup_steps=2 is not below max_steps=2'
        assert said.count(warning) == times, warmup


@pytest.mark.parametrize('library', ['lightning_fabric', 'matplotlib', 'tensorboard'])
def test_what_is_not_installed_is_named_with_its_extra(
    library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(sys.modules):
        if name.startswith((library, 'torch.utils.tensorboard', 'bisenet_training.extra')):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(UserError, match=rf'needs {library}: .*pip install lightning-fabric'):
        importlib.import_module('bisenet_training.extra')


def test_wrong_data_stop_before_the_first_step(tmp_path: Path) -> None:
    root = make_cityscapes_tree(tmp_path / 'city', train=3, val=1)
    labels = next((root / 'gtFine' / 'train').rglob('*_000001_gtFine_labelIds.png'))
    write_image(labels, np.full((64, 128), 77, np.uint8))
    with pytest.raises(DatasetError, match='77'):
        fit(small_config(tmp_path, root), tmp_path / 'run', resume=False)
    # Mended, the same command trains: there is no run yet that could go on.
    write_image(labels, np.full((64, 128), 7, np.uint8))
    fit(small_config(tmp_path, root, ['max_steps=1']), tmp_path / 'run', resume=False)
    assert list(losses(tmp_path / 'run')) == [1]


@pytest.mark.parametrize('key', ['train.0.dataset', 'validation'])
def test_a_split_without_public_labels_is_named(key: str, data: Path, tmp_path: Path) -> None:
    root = tmp_path / 'city'
    shutil.copytree(data, root)
    shutil.copytree(root / 'leftImg8bit' / 'val', root / 'leftImg8bit' / 'test')
    config = small_config(tmp_path, root, [f'{key}.split=test'])
    message = r'only the evaluation server has the truth of Cityscapes test \(6 frames\): train and'
    with pytest.raises(UserError, match=message):
        fit(config, tmp_path / 'run', resume=False)
    assert not (tmp_path / 'run').exists()


def test_data_sets_have_the_same_classes(data: Path, tmp_path: Path) -> None:
    synthetic = '{kind: synthetic, frames: 1, size: [64, 64]}'
    config = small_config(tmp_path, data, [f'validation={synthetic}'])
    with pytest.raises(UserError, match='has other classes than Cityscapes train'):
        fit(config, tmp_path / 'run', resume=False)


ROAD, SKY = '{name: road, color: [1, 1, 1], drivable: true}', '{name: sky, color: [2, 2, 2]}'


@pytest.mark.parametrize(
    ('classes', 'message'),
    [
        ((SKY, ROAD), r'other classes .* or another order: sky, road instead of road, sky$'),
        (
            (ROAD.replace('true', 'false'), SKY),
            r'val \(6 frames\) has other drivable classes than .*: none instead of road$',
        ),
    ],
)
def test_data_sets_have_the_same_order_of_classes_and_drive_on_the_same(
    classes: tuple[str, str], message: str, data: Path, tmp_path: Path
) -> None:
    images = data / 'leftImg8bit' / 'val'
    for name, entries in (('train', (ROAD, SKY)), ('val', classes)):
        (tmp_path / f'{name}.yaml').write_text(f'classes: [{", ".join(entries)}]')
    one, other = (
        f'{{kind: pairs, images: {images}, labels: {images}, label_map: {tmp_path / name}.yaml}}'
        for name in ('train', 'val')
    )
    config = small_config(tmp_path, data, [f'train.0.dataset={one}', f'validation={other}'])
    with pytest.raises(UserError, match=message):
        fit(config, tmp_path / 'run', resume=False)


def test_a_tilde_is_the_home_folder(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / 'here').mkdir()
    monkeypatch.chdir(tmp_path / 'here')
    monkeypatch.setenv('HOME', str(tmp_path))
    config = small_config(tmp_path, data, ['max_steps=1', 'validation=null'])
    fit(config, Path('~/run'), resume=False)
    assert (tmp_path / 'run' / 'weights.safetensors').is_file()
    assert list((tmp_path / 'here').iterdir()) == []


@pytest.mark.parametrize(
    ('override', 'message'),
    [
        ('precision=fp16', 'precision fp16 needs a GPU: use precision=bf16'),
        ('loss.class_weights=[1, 2]', 'are 2 numbers, but there are 19 classes'),
        ('network.initial_weights=nowhere', "no weights 'nowhere'"),
    ],
)
def test_what_cannot_be_trained_is_said_before_anything_is_read_or_written(
    override: str, message: str, data: Path, tmp_path: Path
) -> None:
    config = small_config(tmp_path, data, [override])
    with pytest.raises(UserError, match=message):
        fit(config, tmp_path / 'run', resume=False)
    assert not (tmp_path / 'run').exists()


def test_a_folder_whose_name_is_not_utf8_is_refused_at_once(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b'gr\xfcn')
    with pytest.raises(UserError, match=r'gr\\udcfcn: the name is not UTF-8, which TensorBoard'):
        fit(small_config(tmp_path, data), folder, resume=False)
    assert not folder.exists()


def test_unlabelled_pixels_are_no_trouble(tmp_path: Path) -> None:
    """OHEM on a data set most of which is not labelled: some batches have nothing to learn from."""
    root = make_cityscapes_tree(tmp_path / 'city', train=6, val=1)
    for labels in list((root / 'gtFine' / 'train').rglob('*.png'))[1:]:
        write_image(labels, np.zeros((64, 128), np.uint8))  # label id 0 is unlabelled
    config = small_config(
        tmp_path, root, ['loss.hard_from=0', 'batch=2', 'max_steps=6', 'validation=null']
    )
    fit(config, tmp_path / 'run', resume=False)
    assert 0.0 in losses(tmp_path / 'run').values()
