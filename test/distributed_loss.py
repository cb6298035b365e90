# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Runs one of two processes that train together: `distributed_loss.py RANK FOLDER`.

It writes the losses and gradients of a training step with each setting to `FOLDER/RANK.pt`.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from bisenet_ros.label_space import IGNORE
from bisenet_training.losses import LossSettings, SegmentationLoss

PROCESSES = 2
CLASSES = 3

SETTINGS = {
    'weighted': LossSettings(class_weights=(1, 2, 5), booster_label_stride=4),
    # The hardest sixteenth is chosen per process, not over both. It is not used here, where more
    # pixels are hard.
    'hard': LossSettings(hard_from=0),
    'dice': LossSettings(dice_weight=1, booster_weight=0.4),
}


class TwoHeads(nn.Module):
    """Two heads at 1/8 and 1/16, without batch norm, which would use the batch of one process."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, CLASSES, 8, stride=8)
        self.booster = nn.Conv2d(3, CLASSES, 16, stride=16)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Maps (B, 3, H, W) to (B, 3, H/8, W/8) and (B, 3, H/16, W/16)."""
        return self.head(x), self.booster(x)


def step(setting: LossSettings, part: slice) -> dict[str, Tensor]:
    """Returns the loss and all gradients of a step on a part of a batch of four."""
    torch.manual_seed(0)
    images, labels = torch.randn(4, 3, 64, 96), torch.randint(0, CLASSES, (4, 64, 96))
    # The parts have very different numbers of labelled pixels.
    labels[0], labels[1, :60], labels[3, :, :10] = IGNORE, IGNORE, IGNORE
    network: nn.Module = TwoHeads()
    if dist.is_initialized():
        network = DistributedDataParallel(network)
    loss = SegmentationLoss(setting, CLASSES)
    total = loss(network(images[part]), labels[part])
    total.backward()
    gradients = {
        name.removeprefix('module.'): parameter.grad
        for name, parameter in network.named_parameters()
        if parameter.grad is not None
    }
    return {'total': total.detach(), **gradients}


def main() -> None:
    """Runs the steps of one process."""
    rank, folder = int(sys.argv[1]), Path(sys.argv[2])
    dist.init_process_group(
        'gloo', init_method=f'file://{folder}/meeting', rank=rank, world_size=PROCESSES
    )
    each = 4 // PROCESSES
    part = slice(rank * each, (rank + 1) * each)
    results = {name: step(setting, part) for name, setting in SETTINGS.items()}
    torch.save(results, folder / f'{rank}.pt')
    dist.destroy_process_group()


if __name__ == '__main__':
    main()
