# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The exponential moving average of weights, which is more accurate than the last weights."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from bisenet_ros.network import SegmentationNetwork


class AverageNetwork(nn.Module):
    """A network whose weights and batch statistics are a moving average of another network's.

    torch's AveragedModel is not used, because it counts updates on the device and thus waits for
    the GPU at every step.

    Attributes:
        network: The average, with boosters like the original. It is not trained.
        decay: Fraction of the average that is kept at each step, after the first steps.
    """

    def __init__(self, network: SegmentationNetwork, decay: float) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).requires_grad_(False).eval()
        self.decay = decay

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Updates the average with `network` after optimiser step `step`, counted from 1.

        The decay grows over the steps, so that the average soon forgets the initial weights.
        """
        decay = min(self.decay, step / (step + 9))
        average, current = _floats(self.network), _floats(network)
        torch._foreach_lerp_(average, current, 1 - decay)


def _floats(network: nn.Module) -> list[Tensor]:
    """Returns parameters and batch statistics, without the unused counters of batch norms."""
    tensors = (*network.parameters(), *network.buffers())
    return [tensor for tensor in tensors if tensor.is_floating_point()]
