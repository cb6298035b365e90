# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sums over all processes of a distributed training, through which gradients flow."""

from __future__ import annotations

import torch.distributed as dist
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import FunctionCtx


class _SumOverProcesses(Function):
    @staticmethod
    def forward(ctx: FunctionCtx, local: Tensor) -> Tensor:
        total = local.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: FunctionCtx, *grad_outputs: Tensor) -> Tensor:
        (gradient,) = grad_outputs
        return gradient * dist.get_world_size()


def sum_over_processes(local: Tensor) -> Tensor:
    """The sum of a tensor over all processes; the tensor itself where there is one process.

    Gradients come back multiplied by the number of processes. DistributedDataParallel takes the
    mean of the processes' gradients, so that for a loss which is any function of such sums it
    arrives at the gradient that one process with the whole batch would have, however unequal the
    parts are. For that, every process has to compute the same loss from the sums.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return local
    total: Tensor = _SumOverProcesses.apply(local)
    return total
