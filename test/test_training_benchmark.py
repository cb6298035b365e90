# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""benchmarks/training.py compares equal work: the usual loop's losses are ours."""

from __future__ import annotations

import importlib.util
import json
import math
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from small_datasets import make_cityscapes_tree
from torch import nn
from torch.nn.utils import convert_conv2d_weight_memory_format

from bisenet_ros.label_space import CITYSCAPES, IGNORE
from bisenet_training.config import TrainingConfig, load_config
from bisenet_training.initial_network import make_network
from bisenet_training.losses import SegmentationLoss

SCRIPTS = Path(__file__).parents[1] / 'benchmarks'


@pytest.fixture(scope='module')
def usual_loop() -> ModuleType:
    specification = importlib.util.spec_from_file_location(
        'reference_training', SCRIPTS / 'reference_training.py'
    )
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module  # where dataclasses look for it
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def config(tmp_path_factory: pytest.TempPathFactory) -> TrainingConfig:
    data = make_cityscapes_tree(tmp_path_factory.mktemp('city'), train=4, val=1)
    return load_config(
        'bisenetv2_cityscapes',
        [f'data={data}', 'validation=null', 'crop=[96, 64]', 'batch=4', 'precision=fp32'],
    )


@pytest.mark.parametrize('hard_probability', [0.7, 0.001])
def test_a_batch_costs_the_same_in_both(
    usual_loop: ModuleType, config: TrainingConfig, hard_probability: float
) -> None:
    """Once where nearly all pixels are hard, and once where the least share of them counts."""
    loss = config.loss.model_copy(update={'hard_probability': hard_probability})
    config = config.model_copy(update={'loss': loss})
    views = usual_loop.Views.of(config)
    torch.manual_seed(0)
    images, labels = (torch.stack(part) for part in zip(*(views[n] for n in range(4)), strict=True))
    gradients = []
    for ours in (False, True):
        network = make_network(config.network, CITYSCAPES, config.seed, print).network
        for module in network.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0  # the order of the memory decides what it drops
        if ours:
            convert_conv2d_weight_memory_format(network, torch.channels_last)
            criterion = SegmentationLoss(config.loss, len(CITYSCAPES))
            value = criterion(network.coarse_heads(images), labels)
        else:
            value = sum(usual_loop.head_losses(network, images, labels, config))
        value.backward()
        gradients.append((value.detach(), network.head.classify.weight.grad.clone()))
    (expected, wanted), (found, got) = gradients
    assert (labels != IGNORE).any()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=0)
    torch.testing.assert_close(got, wanted, rtol=1e-2, atol=1e-4)


def test_both_read_the_same_frames(usual_loop: ModuleType, config: TrainingConfig) -> None:
    views = usual_loop.Views.of(config)
    dataset = config.located(config.train[0].dataset).open()
    assert len(views) == len(dataset)
    for (image, labels), sample in zip(views.files, dataset, strict=True):
        pixels, ids = usual_loop.read(image, labels)
        np.testing.assert_array_equal(pixels, sample.image)
        np.testing.assert_array_equal(ids, sample.labels)


def test_everybody_trains_and_is_measured(tmp_path: Path) -> None:
    written = tmp_path / 'training.json'
    names = ['usual loop', 'bisenet train, bf16']
    result = subprocess.run(
        [
            *(sys.executable, SCRIPTS / 'training.py', '--json', written),
            *('--frame', '128', '64', '--frames', '4', '--crop', '64', '64', '--batch', '4'),
            *('--workers', '0', '--steps', '1', '--warm-up', '1', '--rounds', '1'),
            *('--only', *names),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    report = json.loads(written.read_text())
    assert list(report['training']) == names
    for name, figures in report['training'].items():
        assert name in result.stdout
        assert figures['images_per_second'] > 0
        assert math.isfinite(figures['last_loss'])
    assert all(rate > 0 for rate in report['prepared_per_second_by_a_worker'].values())
