# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Computes sums over all processes of a distributed training, through which gradients flow."""

from __future__ import annotations

import torch.distributed as dist
from torch import Tensor


def sum_over_processes(local: Tensor) -> Tensor:
    """Returns the sum of a tensor over all processes; the tensor itself if there is only one.

    Gradients are multiplied by the number of processes, and DistributedDataParallel averages them
    over the processes. So for any loss that is a function of such sums, it gets the gradient that
    one process with the whole batch would have, even if the parts differ in size. Every process
    must compute the same loss from the sums.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return local
    total = local.detach().clone()
    dist.all_reduce(total)
    multiplied = local * dist.get_world_size()
    # The value of the one, the gradient of the other.
    return total + (multiplied - multiplied.detach())
