# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every parameter is in the group that it belongs to, and the rate follows its formula."""

from __future__ import annotations

import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from bisenet_ros.network import NETWORKS
from bisenet_training.optim import (
    AdamWSettings,
    OptimizerSettings,
    ScheduleSettings,
    SgdSettings,
    build_optimizer,
)
from bisenet_training.student import Student

SGD = SgdSettings(lr=0.01, weight_decay=5e-4, head_lr_factor=10)


@pytest.mark.parametrize(
    ('name', 'heads'),
    [
        ('bisenetv1_xception39', ('fusion', 'head', 'boosters')),
        ('bisenetv1_resnet18', ('fusion', 'head', 'boosters')),
        ('bisenetv2', ('head', 'boosters')),
        (
            'fpn_efficientnet_lite0',
            ('embed', 'lateral', 'shrink4', 'smooth', 'head', 'boosters'),
        ),
    ],
)
def test_every_parameter_is_in_its_group(name: str, heads: tuple[str, ...]) -> None:
    network = Student(NETWORKS[name](3, boosters=True), teacher_channels=8)
    optimizer = build_optimizer(network, SGD)
    assert isinstance(optimizer, torch.optim.SGD)
    groups = optimizer.param_groups
    group_of = {parameter: group for group in groups for parameter in group['params']}
    assert sum(len(group['params']) for group in groups) == len(group_of)
    convolutions = {m.weight for m in network.modules() if isinstance(m, nn.Conv2d)}
    for parameter_name, parameter in network.named_parameters():
        in_head = parameter_name.removeprefix('network.').startswith((*heads, 'projection'))
        group = group_of[parameter]
        assert group['lr'] == pytest.approx(0.1 if in_head else 0.01)
        assert group['weight_decay'] == (5e-4 if parameter in convolutions else 0)
        assert group['name'].startswith('head' if in_head else 'backbone')
        assert group['momentum'] == 0.9


def test_decay_shrinks_convolutions_alone() -> None:
    network = Student(NETWORKS['bisenetv2'](2), None)
    before = {name: value.clone() for name, value in network.named_parameters()}
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer = build_optimizer(network, AdamWSettings(lr=0.1, weight_decay=0.5))
    assert isinstance(optimizer, torch.optim.AdamW)
    optimizer.step()
    for name, value in network.named_parameters():
        torch.testing.assert_close(value, before[name] * (0.95 if value.ndim == 4 else 1))


def test_the_kind_tells_which_optimizer() -> None:
    settings = TypeAdapter(OptimizerSettings)
    values = {'kind': 'adamw', 'lr': 1, 'weight_decay': 0}
    assert settings.validate_python(values) == AdamWSettings(lr=1, weight_decay=0)
    with pytest.raises(ValidationError, match='adamw\n  unknown key'):
        settings.validate_python({**values, 'momentum': 0.9})


def test_the_rate_is_poly_after_a_linear_warmup() -> None:
    schedule = ScheduleSettings(warmup_steps=10, warmup_start=0.1, power=0.9)
    assert schedule.factor(0, 110) == pytest.approx(0.1)
    assert schedule.factor(5, 110) == pytest.approx(0.55)
    assert schedule.factor(10, 110) == 1
    assert schedule.factor(60, 110) == pytest.approx(0.5**0.9)
    assert schedule.factor(109, 110) == pytest.approx(0.01**0.9)
    assert schedule.factor(110, 110) == 0
    assert ScheduleSettings().factor(0, 100) == 1
    assert ScheduleSettings(warmup_steps=4).factor(4, 4) == 1
    # A short trial of a long recipe is all warm-up.
    assert [schedule.factor(step, 4) for step in (0, 4)] == pytest.approx([0.1, 0.46])


def test_a_schedule_keeps_the_ratio_of_the_groups() -> None:
    optimizer = build_optimizer(Student(NETWORKS['bisenetv2'](2), None), SGD)
    rates = LambdaLR(optimizer, lambda step: ScheduleSettings().factor(step, 10))
    for _ in range(5):
        optimizer.step()
        rates.step()
    body, _, head, _ = optimizer.param_groups
    assert body['lr'] == pytest.approx(0.01 * 0.5**0.9)
    assert head['lr'] == pytest.approx(10 * body['lr'])
