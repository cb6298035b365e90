# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The processes of one training: `torchrun` starts them, or there is one."""

from __future__ import annotations

import logging
import os
import warnings
from datetime import timedelta
from typing import Literal

import torch
from torch import Tensor

from bisenet_ros.errors import UserError
from bisenet_training.extra import (
    DDPStrategy,
    Fabric,
    LightningEnvironment,
    TorchElasticEnvironment,
)

_LONGEST_WAIT = timedelta(hours=1)
"""For the first process, which alone reads all data sets before the others begin."""

_PRECISIONS: dict[str, Literal['32-true', 'bf16-mixed', '16-mixed']] = {
    'fp32': '32-true',
    'bf16': 'bf16-mixed',
    'fp16': '16-mixed',
}


def launch(device: str, precision: str) -> Fabric:
    """Join the processes that torchrun has started, if there are any.

    Args:
        device: `auto`, `cpu` or `cuda`.
        precision: `fp32`, `bf16` or `fp16`.

    Raises:
        UserError: A GPU is needed and there is none, or not one for each process.
    """
    if device == 'auto':
        device = 'cuda' if torch.cuda.is_available() else 'cpu'
    elif device == 'cuda' and not torch.cuda.is_available():
        raise UserError('device is cuda, but torch finds no GPU: write device=cpu')
    if precision == 'fp16' and device == 'cpu':
        raise UserError('precision fp16 needs a GPU: write precision=bf16')
    for name in ('lightning.fabric', 'lightning.pytorch'):  # Fabric writes to both
        logging.getLogger(name).setLevel(logging.WARNING)  # not what was asked for
    # What replaces it is not in every torch that is supported.
    warnings.filterwarnings('ignore', message='`broadcast_buffers` is deprecated')
    count = int(os.environ['WORLD_SIZE']) if TorchElasticEnvironment.detect() else 1
    if count == 1:
        # Alone whatever launcher there is: Fabric would look for others under SLURM, for one.
        fabric = Fabric(
            accelerator=device,
            devices=1,
            precision=_PRECISIONS[precision],
            plugins=LightningEnvironment(),
        )
    else:
        local_count = processes_on_machine()
        gpus = torch.cuda.device_count()
        if device == 'cuda' and local_count > gpus:
            raise UserError(
                f'{local_count} processes, but {gpus} GPUs: torchrun --nproc-per-node {gpus}'
            )
        fabric = Fabric(
            accelerator=device,
            devices=local_count,
            num_nodes=count // local_count,
            precision=_PRECISIONS[precision],
            strategy=DDPStrategy(
                process_group_backend='nccl' if device == 'cuda' else 'gloo',
                timeout=_LONGEST_WAIT,
                # What is the same everywhere, batch statistics and all, need not be sent around.
                broadcast_buffers=False,
                gradient_as_bucket_view=True,
            ),
        )
    fabric.launch()
    return fabric


def processes_on_machine() -> int:
    """How many processes of this training run on this machine."""
    return int(os.environ.get('LOCAL_WORLD_SIZE', '1'))


def add_up(fabric: Fabric, local: Tensor) -> Tensor:
    """The sum of a tensor over all processes, on the CPU."""
    total: Tensor = fabric.all_reduce(local.to(fabric.device, copy=True), reduce_op='sum')
    return total.cpu()
