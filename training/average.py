# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The exponential moving average of a network's weights, which is better than its last weights."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from bisenet_ros.network import SegmentationNetwork


class AverageNetwork(nn.Module):
    """A network whose weights and batch statistics follow those of another.

    torch's AveragedModel counts its updates on the device, and so waits for a GPU at every step.

    Attributes:
        network: The average, with boosters like the original; it is not trained.
        decay: How much of the average stays at a step, in the long run.
    """

    def __init__(self, network: SegmentationNetwork, decay: float) -> None:
        super().__init__()
        self.network = copy.deepcopy(network).requires_grad_(False).eval()
        self.decay = decay

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Follow `network` after its optimiser step number `step`, from 1.

        The decay grows with the steps, so that the average soon forgets the beginning.
        """
        decay = min(self.decay, step / (step + 9))
        average, current = _floats(self.network), _floats(network)
        torch._foreach_lerp_(average, current, 1 - decay)


def _floats(network: nn.Module) -> list[Tensor]:
    """Parameters and batch statistics, but not the counters beside them, which nothing reads."""
    tensors = (*network.parameters(), *network.buffers())
    return [tensor for tensor in tensors if tensor.is_floating_point()]
