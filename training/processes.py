# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The processes of one training: `torchrun` starts them, or there is one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, distributed

from bisenet_ros.errors import UserError

_LONGEST_WAIT = timedelta(hours=1)
"""For the first process, which alone reads all data sets before the others begin."""


@dataclass(frozen=True)
class Processes:
    """This process among those that train together.

    Attributes:
        device: What this one computes on.
        rank: Which one it is; 0 writes files and talks.
        count: How many there are.
        local_count: How many there are on this machine.
    """

    device: torch.device
    rank: int = 0
    count: int = 1
    local_count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this one writes files and talks."""
        return self.rank == 0

    def add_up(self, local: Tensor) -> Tensor:
        """The sum of a tensor over all processes, on the CPU."""
        if self.count == 1:
            return local.cpu()
        total = local.to(self.device, copy=True)
        distributed.all_reduce(total)
        return total.cpu()


def join_processes(device: str, environment: Mapping[str, str] = os.environ) -> Processes:
    """Find the other processes that torchrun has started, if there are any.

    Args:
        device: `auto`, `cpu` or `cuda`.
        environment: Where torchrun says who is who.

    Raises:
        UserError: A GPU is asked for and there is none, or not one for each process.
    """
    if device == 'auto':
        device = 'cuda' if torch.cuda.is_available() else 'cpu'
    elif device == 'cuda' and not torch.cuda.is_available():
        raise UserError('device is cuda, but torch finds no GPU: write device=cpu')
    if 'TORCHELASTIC_RUN_ID' not in environment:
        return Processes(torch.device(device))
    local_rank, local_count = (int(environment[k]) for k in ('LOCAL_RANK', 'LOCAL_WORLD_SIZE'))
    if device == 'cuda':
        gpus = torch.cuda.device_count()
        if local_count > gpus:
            raise UserError(
                f'{local_count} processes, but {gpus} GPUs: torchrun --nproc-per-node {gpus}'
            )
        torch.cuda.set_device(local_rank)
    backend = 'nccl' if device == 'cuda' else 'gloo'
    distributed.init_process_group(backend, timeout=_LONGEST_WAIT)
    return Processes(
        torch.device(device, local_rank) if device == 'cuda' else torch.device(device),
        distributed.get_rank(),
        distributed.get_world_size(),
        local_count,
    )
