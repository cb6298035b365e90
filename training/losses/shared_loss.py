# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Computes sums over all processes of a distributed training, for a loss that all of them share."""

from __future__ import annotations

import torch.distributed as dist
from torch import Tensor


def sum_for_shared_loss(local: Tensor) -> Tensor:
    """Returns the sum of a tensor over all processes; the tensor itself if there is only one.

    Every process must compute the same loss from the sums. So the gradient of a sum is known in
    each process without communication, unlike in `synchronized`, where each process has a loss of
    its own. It is multiplied by the number of processes, because DistributedDataParallel averages
    over them. So the network gets the gradient that one process with the whole batch would have,
    even if the parts differ in size.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return local
    total = local.detach().clone()
    dist.all_reduce(total)
    multiplied = local * dist.get_world_size()
    # The value of the one, the gradient of the other.
    return total + (multiplied - multiplied.detach())
