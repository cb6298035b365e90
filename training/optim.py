# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The optimiser of a run, and its learning rate schedule."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import nn

from bisenet_ros.network import BiSeNetV1, FeaturePyramid, SegmentationNetwork
from bisenet_ros.strict_model import StrictModel
from bisenet_training.setting_types import (
    CountOrZero,
    Fraction,
    NotNegative,
    Number,
    Positive,
)
from bisenet_training.student import Student


class _Optimizer(StrictModel):
    lr: Positive
    weight_decay: NotNegative
    head_lr_factor: Positive = 1.0


class SgdSettings(_Optimizer):
    """Stochastic gradient descent with momentum, as in both papers.

    Attributes:
        kind: Distinguishes it from AdamW.
        lr: Base learning rate, scaled by the schedule. V1 paper, section 4.1: 2.5e-2. V2 paper,
            training settings: 5e-2.
        weight_decay: Weight decay of convolution weights (V2 paper, training settings: 5e-4; V1
            paper: 1e-4); biases and batch norms are not decayed.
        head_lr_factor: Factor on the learning rate of `head_modules`, for networks with a
            pretrained backbone. CoinCheung/BiSeNet: 10.
        momentum: Momentum.
    """

    kind: Literal['sgd'] = 'sgd'
    momentum: Annotated[Number, Field(ge=0, lt=1)] = 0.9


class AdamWSettings(_Optimizer):
    """AdamW (Loshchilov and Hutter 2019), which is faster in short runs from random weights.

    Attributes:
        kind: Distinguishes it from SGD.
        lr: Base learning rate, scaled by the schedule.
        weight_decay: Weight decay of convolution weights only. It is decoupled from the gradient
            and scaled by the learning rate, so it is larger than that of SGD: 0.01 to 0.05.
        head_lr_factor: As in `SgdSettings`.
    """

    kind: Literal['adamw'] = 'adamw'


OptimizerSettings = Annotated[SgdSettings | AdamWSettings, Field(discriminator='kind')]
"""Either optimiser, distinguished by `kind`."""


class ScheduleSettings(StrictModel):
    """A linear warm-up, then polynomial decay to 0 at the end of the training.

    Attributes:
        warmup_steps: Steps until the full learning rate is reached. The papers have no warm-up; the
            recipes of mmsegmentation and CoinCheung have 1000 steps.
        warmup_start: Learning rate at the first step, as a fraction of the full one.
        power: Exponent of the decay; both papers: 0.9.
    """

    warmup_steps: CountOrZero = 0
    warmup_start: Fraction = 0.1
    power: NotNegative = 0.9

    def factor(self, step: int, max_steps: int) -> float:
        """Returns the factor on the learning rate at a step.

        Args:
            step: Optimiser steps completed.
            max_steps: Optimiser steps of the whole training.
        """
        if step < self.warmup_steps:
            warmed = self.warmup_start + (1 - self.warmup_start) * step / self.warmup_steps
            return float(warmed)
        decayed = (step - self.warmup_steps) / max(max_steps - self.warmup_steps, 1)
        return float((1 - min(decayed, 1.0)) ** self.power)


def head_modules(network: SegmentationNetwork) -> tuple[nn.Module, ...]:
    """Returns the modules to which `head_lr_factor` applies, as in CoinCheung/BiSeNet.

    These are the main head, the boosters and, in V1, the fusion module. (V1's Spatial Path and
    attention modules are also initialised randomly, but train at the backbone's rate there.) In a
    feature pyramid, these are all modules except the encoder.
    """
    if isinstance(network, FeaturePyramid):
        return tuple(part for part in network.children() if part is not network.encoder)
    heads = (network.head, *network.boosters)
    return (network.fusion, *heads) if isinstance(network, BiSeNetV1) else heads


def build_optimizer(
    student: Student, settings: SgdSettings | AdamWSettings
) -> torch.optim.Optimizer:
    """Returns an optimiser of all parameters of a network and its projection.

    Its groups are `backbone` and `head`, each with a group `…_no_decay` for the one-dimensional
    parameters: biases and batch norms. All other parameters of these networks are convolution
    weights. The schedule scales the `initial_lr` of a group.
    """
    groups = list(_parameter_groups(student, settings))
    if isinstance(settings, SgdSettings):
        return torch.optim.SGD(groups, lr=settings.lr, momentum=settings.momentum, fused=True)
    return torch.optim.AdamW(groups, lr=settings.lr, fused=True)


def _parameter_groups(
    student: Student, settings: SgdSettings | AdamWSettings
) -> Iterator[dict[str, Any]]:
    from_scratch = nn.ModuleList(head_modules(student.network))
    if student.projection is not None:
        from_scratch.append(student.projection)
    in_heads = set(from_scratch.parameters())
    backbone = [p for p in student.parameters() if p not in in_heads]
    heads = [p for p in student.parameters() if p in in_heads]
    for name, parameters, factor in (
        ('backbone', backbone, 1.0),
        ('head', heads, settings.head_lr_factor),
    ):
        lr = settings.lr * factor
        decayed = [p for p in parameters if p.ndim > 1]
        others = [p for p in parameters if p.ndim <= 1]
        decay = settings.weight_decay
        rates = {'lr': lr, 'initial_lr': lr}
        yield {'name': name, 'params': decayed, **rates, 'weight_decay': decay}
        yield {'name': f'{name}_no_decay', 'params': others, **rates, 'weight_decay': 0.0}
