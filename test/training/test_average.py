# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Averaged weights against the formula of the moving average."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bisenet_training.average import AverageNetwork


@torch.no_grad()
def train_a_step(network: nn.Module) -> None:
    """Changes weights and batch statistics as a step of a training would."""
    for value in network.state_dict().values():
        value.copy_(torch.randn(value.shape) if value.is_floating_point() else value + 1)


def test_weights_and_batch_statistics_are_averaged() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    average = AverageNetwork(network, decay=0.3)
    assert not average.network.training
    assert not any(parameter.requires_grad for parameter in average.network.parameters())
    expected: dict[str, Tensor] = {
        name: value.clone() for name, value in network.state_dict().items()
    }
    # step / (step + 9), up to the decay.
    for step, kept in ((1, 1 / 10), (2, 2 / 11), (3, 3 / 12), (4, 0.3), (5, 0.3)):
        train_a_step(network)
        average.update(network, step)
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                expected[name] = kept * expected[name] + (1 - kept) * value
    found = average.network.state_dict()
    assert any('running_var' in name for name in found)
    torch.testing.assert_close(found, expected)
