# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The processes of a training run: those that `torchrun` started, or a single one."""

from __future__ import annotations

import logging
import os
import warnings
from datetime import timedelta
from typing import Literal

import torch
from torch import Tensor, distributed

from bisenet_ros.errors import UserError
from bisenet_training.extra import (
    DDPStrategy,
    Fabric,
    LightningEnvironment,
    TorchElasticEnvironment,
)

_MAX_WAIT = timedelta(hours=1)
"""Time limit for the first process to check all data sets while the others wait."""

_PRECISIONS: dict[str, Literal['32-true', 'bf16-mixed', '16-mixed']] = {
    'fp32': '32-true',
    'bf16': 'bf16-mixed',
    'fp16': '16-mixed',
}


def launch(device: str, precision: str) -> Fabric:
    """Joins the processes that torchrun started, if any.

    Args:
        device: `auto`, `cpu` or `cuda`.
        precision: `fp32`, `bf16` or `fp16`.

    Raises:
        UserError: No GPU is available although one is needed, or there are fewer GPUs than
            processes.
    """
    if device == 'auto':
        device = 'cuda' if torch.cuda.is_available() else 'cpu'
    elif device == 'cuda' and not torch.cuda.is_available():
        raise UserError('device is cuda, but torch finds no GPU: use device=cpu')
    if precision == 'fp16' and device == 'cpu':
        raise UserError('precision fp16 needs a GPU: use precision=bf16')
    logging.getLogger('lightning_fabric').setLevel(logging.WARNING)  # hide its info messages
    # The replacement does not exist in every supported version of torch.
    warnings.filterwarnings('ignore', message='`broadcast_buffers` is deprecated')
    count = int(os.environ['WORLD_SIZE']) if TorchElasticEnvironment.detect() else 1
    if count == 1:
        # A single process. Otherwise Fabric would look for others, for example under SLURM.
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
                f'{local_count} processes, but {gpus} GPUs: use torchrun --nproc-per-node {gpus}'
            )
        fabric = Fabric(
            accelerator=device,
            devices=local_count,
            num_nodes=count // local_count,
            precision=_PRECISIONS[precision],
            strategy=DDPStrategy(
                process_group_backend='nccl' if device == 'cuda' else 'gloo',
                timeout=_MAX_WAIT,
                # Buffers, including batch statistics, are already the same in all processes.
                broadcast_buffers=False,
                gradient_as_bucket_view=True,
            ),
        )
    fabric.launch()
    return fabric


def leave() -> None:
    """Leaves the process group that `launch` joined: its threads could crash Python at exit."""
    if distributed.is_initialized():
        distributed.destroy_process_group()


def processes_on_machine() -> int:
    """Returns the number of processes of this training run on this machine."""
    return int(os.environ.get('LOCAL_WORLD_SIZE', '1'))


def sum_without_gradient(fabric: Fabric, local: Tensor) -> Tensor:
    """Returns the sum of a tensor over all processes, on the CPU; for counts, not for losses."""
    total: Tensor = fabric.all_reduce(local.to(fabric.device, copy=True), reduce_op='sum')
    return total.cpu()
