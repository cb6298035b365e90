# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Dropout by fewer random numbers is still dropout; test_distributed.py has it in two processes."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from bisenet_training.dropout import BatchDropout
from bisenet_training.synchronized import synchronize

SHAPE = (3, 7, 61, 53)  # not a multiple of four


def dropped(
    probability: float, layout: torch.memory_format, seed: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Ones after dropout, and their gradient."""
    torch.manual_seed(seed)
    ones = torch.ones(SHAPE).contiguous(memory_format=layout).requires_grad_()
    result = BatchDropout(probability)(ones)
    result.sum().backward()
    assert ones.grad is not None
    return result.detach(), ones.grad


@pytest.mark.parametrize('layout', [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize('probability', [0.1, 0.5])
def test_so_many_are_dropped_and_the_rest_makes_up_for_them(
    probability: float, layout: torch.memory_format
) -> None:
    result, gradient = dropped(probability, layout, seed=0)
    assert result.is_contiguous(memory_format=layout)
    assert torch.equal(result, gradient)
    kept = result != 0
    torch.testing.assert_close(result[kept], torch.full((int(kept.sum()),), 1 / (1 - probability)))
    deviation = math.sqrt(probability * (1 - probability) / result.numel())
    assert abs((~kept).float().mean().item() - probability) < 4 * deviation
    # Neighbours, which share a random number, do not share their fate.
    values = kept.permute(0, 2, 3, 1) if layout == torch.channels_last else kept
    row = values.flatten().float()
    correlation = torch.corrcoef(torch.stack((row[:-1], row[1:])))[0, 1].item()
    assert abs(correlation) < 4 / math.sqrt(len(row))


def test_chance_follows_from_the_seed() -> None:
    first, again, other = (dropped(0.3, torch.channels_last, seed)[0] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_every_dropout_is_replaced_and_evaluation_drops_nothing() -> None:
    network = synchronize(nn.Sequential(nn.Conv2d(1, 1, 1), nn.Dropout(0.25)))
    assert isinstance(network[1], BatchDropout)
    assert network[1].p == 0.25
    x = torch.rand(2, 1, 3, 3)
    assert torch.equal(network[1].eval()(x), x)
