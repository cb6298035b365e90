# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Configurations: what is wrong is named with its place, and every recipe is right."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_trainings import small_config, write_config

from bisenet_ros.errors import UserError
from bisenet_ros.network import NETWORKS
from bisenet_training.config import TrainingConfig, load_config, recipes
from bisenet_training.optim import AdamWSettings, SgdSettings

DATA_SETS = ('cityscapes', 'camvid', 'coco_stuff')


@pytest.mark.parametrize('name', recipes())
def test_every_recipe_is_valid(name: str) -> None:
    config = load_config(name, ['data=/datasets/here'])
    assert name.startswith(config.network.name)
    for source in config.train:
        assert getattr(config.located(source.dataset), 'root', None) in (
            Path('/datasets/here'),
            None,
        )
    # What it says at its top is how it is used.
    assert f'\n#     bisenet train {name}' in recipes()[name].read_text()


def test_there_is_a_recipe_for_every_network_of_the_papers_on_every_data_set() -> None:
    networks = ('bisenetv1_xception39', 'bisenetv1_resnet18', 'bisenetv1_resnet101', 'bisenetv2')
    wanted = {
        f'{network}_{data_set}'
        for network in (*networks, 'bisenetv2_large')
        for data_set in DATA_SETS
    }
    assert wanted <= recipes().keys()


@pytest.mark.parametrize(
    ('name', 'lr', 'weight_decay', 'steps', 'hard_from'),
    [
        ('bisenetv1_resnet18_cityscapes', 0.025, 1e-4, 80_000, None),
        ('bisenetv2_cityscapes', 0.05, 5e-4, 150_000, 0.0),
        ('bisenetv2_camvid', 0.05, 5e-4, 10_000, 0.0),
        ('bisenetv2_large_coco_stuff', 0.05, 5e-4, 20_000, 0.0),
    ],
)
def test_recipes_are_those_of_the_papers(
    name: str, lr: float, weight_decay: float, steps: int, hard_from: float | None
) -> None:
    config = load_config(name)
    assert config.optimizer == SgdSettings(lr=lr, weight_decay=weight_decay, momentum=0.9)
    assert (config.batch, config.max_steps) == (16, steps)
    assert config.schedule.power == 0.9
    assert (config.loss.booster_weight, config.loss.hard_from) == (1.0, hard_from)


def test_a_configuration_says_all_that_it_means(tmp_path: Path) -> None:
    config = small_config(tmp_path, tmp_path)
    again = tmp_path / 'again.yaml'
    again.write_text(config.to_yaml())
    assert load_config(again) == config


def test_overrides_replace_values(tmp_path: Path) -> None:
    config = small_config(
        tmp_path,
        tmp_path,
        [
            'max_steps=12',
            'crop=[64, 32]',
            'optimizer={kind: adamw, lr: 1.0e-2, weight_decay: 0}',
            'train.0.share=3',
            'normalization.channel_order=bgr',  # a part that the file does not have
            'validation=null',
        ],
    )
    assert (config.max_steps, config.crop) == (12, (64, 32))
    assert config.optimizer == AdamWSettings(lr=0.01, weight_decay=0)
    assert config.train[0].share == 3
    assert config.normalization.channel_order == 'bgr'
    assert config.validation is None


def test_overrides_fill_parts_that_are_null(tmp_path: Path) -> None:
    path = tmp_path / 'config.yaml'  # as a run writes it, with teacher: null
    path.write_text(small_config(tmp_path, tmp_path).to_yaml())
    config = load_config(path, ['teacher.weights=camvid'])
    assert config.teacher is not None
    assert config.teacher.weights == 'camvid'


@pytest.mark.parametrize(
    ('override', 'message'),
    [
        ('optimiser.lr=1', r'optimiser.lr=1: unknown key; did you mean optimizer\?'),
        ('optimizer.lrr=1', r'optimizer.lrr=1: unknown key; did you mean lr\?'),
        ('loss.booster_wieght=1', r'did you mean booster_weight\?'),
        ('train.0.dataset.rot=x', r'unknown key; did you mean root\?'),
        ('augmentation.zzz=1', r'unknown key; choose from min_scale, max_scale, '),
        ('optimizer.lr=fast', r'optimizer.lr=fast: input should be a valid number'),
        ('augmentation.flip=true', 'augmentation.flip=true: must be a number, not true or false'),
        ('loss.hard_from=yes', 'loss.hard_from=yes: must be a number, not true or false'),
        ('crop=[64, on]', r'crop=.* must be a number'),
        ('network.name=bisenetv3', r"no network 'bisenetv3'; choose from bisenetv1_xception39"),
        (
            'network.options={gate: norm}',
            r"bisenetv2 has no option 'gate'; choose",
        ),
        ('network.imagenet_weights=a.pth', 'bisenetv2 has no published ImageNet weights'),
        ('augmentation.copy_paste=0.5', 'copy_paste and pasted_classes go together'),
        ('teacher.weight=camvid', r'unknown key; did you mean weights\?'),
        ('accumulate=3', 'batch 4 is not a multiple of accumulate 3'),
        ('accumulate=4', 'batch norms need at least two images in each part'),
        ('max_steps=1e3', '1e3: must be a whole number in digits, such as 1000'),
        ('max_steps=0', 'max_steps=0: input should be greater than or equal to 1'),
        ('network_size=[64, 9000]', 'input should be less than or equal to 8192'),
        ('train.1.share=2', '1 does not exist'),
        ('train.' + 5000 * '1' + '=2', 'train.1{1000}'),
        ('normalization.std=[58, 57, 57]', 'not 0 to 255: give the mean 0.485 .* 0.2275 0.2235'),
        ('batch.size=2', 'batch is a single value'),
        ('batch', "'batch' is not key.sub=value"),
        ('loss.class_weights.0=2', 'loss.class_weights.0=2: 0 is an index, but there is no list'),
        ('loss.class_weights=[1, -2]', r'-2\]: \[1\]: input should be greater than'),
        ('normalization.mean=[1, 2]', r'mean=\[1, 2\]: has too few values: 2'),
        ('loss.class_weights={road: 2}', 'class_weights={road: 2}: must be a list'),
        ('optimizer={lr: 1}', 'optimizer={lr: 1}: needs a kind'),
        ('optimizer={kind: sgd, lr: 1}', 'lr: 1}: weight_decay: is missing'),
        ('validation={kind: pairs, images: a, labels: b}', 'labels: b}: label_map: is missing'),
        ('optimizer.kind=adam', 'optimizer.kind=adam: no kind adam; choose from sgd, adamw'),
        (
            'train.0.dataset.kind=pairs',
            r'^train.0.dataset.kind=pairs: root: unknown key; choose from kind, images, labels, ',
        ),
        ('optimizer=adamw', 'optimizer=adamw: must be a mapping of keys to values'),
        ('train=[]', 'train=.*: must not be empty$'),
        ('data=[a]', r'data=\[a\]: must be a path'),
        ('batch={', r'the value of batch:\d: not YAML: '),
        ('batch={a: 1, a: 2}', 'the value of batch:1: a is given twice'),
        ('max_steps=0b_', "the value of max_steps:1: not YAML: '0b_' is no int"),
        ('max_steps=!!float x', "the value of max_steps:1: not YAML: 'x' is no float"),
        ('data=' + 3000 * '[', 'the value of data:1: over 50 levels deep'),
        ('seed=' + 5000 * '1', "the value of seed:1: not YAML: '1{100}' is no int"),
        ('validation.kind=[camvid]', r"no data set \['camvid'\]; choose from camvid, "),
    ],
)
def test_wrong_overrides_are_named(override: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        small_config(tmp_path, tmp_path, [override])


@pytest.mark.parametrize('day', ['2026-11-27', '2026-13-45', '2026-11-27 08:15:00'])
def test_a_folder_may_be_named_by_a_date(day: str, tmp_path: Path) -> None:
    assert small_config(tmp_path, tmp_path, [f'data={day}']).data == Path(day)
    assert small_config(tmp_path, Path(day)).data == Path(day)


def test_wrong_lines_are_named(tmp_path: Path) -> None:
    path = write_config(tmp_path / 'small.yaml', tmp_path)
    text = path.read_text()
    path.write_text(text.replace('max_steps', 'max_step'))
    with pytest.raises(UserError, match=r'small\.yaml:\d+: max_step: unknown key; did you mean'):
        load_config(path)
    path.write_text(text.replace(', split: train', ''))
    with pytest.raises(UserError, match=r'small\.yaml:5: train\[0\]\.dataset\.split: is missing$'):
        load_config(path)
    path.write_text(text.replace('kind: cityscapes', 'kind: [cityscapes]'))
    with pytest.raises(UserError, match=r"small\.yaml:5: .* no data set \['cityscapes'\]; choose"):
        load_config(path)
    path.write_text(text.replace('loss: {', 'loss: {class_weights: [1, -2], '))
    with pytest.raises(UserError, match=r'small\.yaml:\d+: loss\.class_weights\[1\]: input should'):
        load_config(path)
    path.write_text(text.replace('loss: {', 'loss: {class_weights: median, '))
    with pytest.raises(UserError, match=r"loss\.class_weights: input should be 'none' or 'enet'$"):
        load_config(path)
    path.write_text(text.replace('batch: 4', 'accumulate: 3\nbatch: 4'))  # no line is wrong
    with pytest.raises(UserError, match=r'small\.yaml: batch 4 is not a multiple of accumulate 3$'):
        load_config(path)
    path.write_text('- just\n- a list\n')
    with pytest.raises(UserError, match='must be a mapping of keys to values'):
        load_config(path)


def test_an_unknown_recipe_is_named_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r'did you mean bisenetv2_cityscapes\?'):
        load_config('bisenetv2_cityscape')


def test_a_network_starts_from_one_thing() -> None:
    with pytest.raises(UserError, match='give imagenet_weights or initial_weights, not both'):
        load_config(
            'bisenetv1_resnet18_camvid',
            ['network.imagenet_weights=a.pth', 'network.initial_weights=camvid'],
        )


def test_installed_weights_are_those_of_an_efficientnet() -> None:
    with pytest.raises(UserError, match='no package installs weights for bisenetv1_resnet18'):
        load_config('bisenetv1_resnet18_camvid', ['network.imagenet_weights=installed'])


def test_imagenet_weights_are_for_any_network_with_a_backbone_that_takes_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(NETWORKS, 'mine', NETWORKS['fpn_efficientnet_lite0'])
    overrides = ['network={name: mine, imagenet_weights: a.pth}']
    config = load_config('bisenetv2_camvid', overrides)
    assert config.network.imagenet_weights == Path('a.pth')


def test_only_relative_paths_start_from_the_data_folder(tmp_path: Path) -> None:
    config: TrainingConfig = small_config(tmp_path, tmp_path, ['train.0.dataset.root=/elsewhere'])
    assert config.validation is not None
    assert config.located(config.train[0].dataset).root == Path('/elsewhere')
    assert config.located(config.validation).root == tmp_path
