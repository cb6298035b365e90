# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sums over all processes of a distributed training, through which gradients flow."""

from __future__ import annotations

import torch.distributed as dist
from torch import Tensor


def sum_over_processes(local: Tensor) -> Tensor:
    """The sum of a tensor over all processes; the tensor itself where there is one process.

    Gradients come back multiplied by the number of processes. DistributedDataParallel takes the
    mean of the processes' gradients, so that for a loss which is any function of such sums it
    arrives at the gradient that one process with the whole batch would have, however unequal the
    parts are. For that, every process has to compute the same loss from the sums.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return local
    total = local.detach().clone()
    dist.all_reduce(total)
    multiplied = local * dist.get_world_size()
    # The value of the one, the gradient of the other.
    return total + (multiplied - multiplied.detach())
