# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Layers whose result with several processes equals that of one process with the whole batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.autograd import Function
from torch.autograd.function import FunctionCtx

from bisenet_training.dropout import BatchDropout

NetworkT = TypeVar('NetworkT', bound=nn.Module)


def synchronize(network: NetworkT) -> NetworkT:
    """Makes batch norms and dropouts span the batches of all processes, in place.

    All processes must have the same batch size. With one process, batch norms are kept.
    """
    alone = not distributed.is_initialized() or distributed.get_world_size() == 1
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Dropout):
                setattr(module, name, BatchDropout(child.p))
            elif isinstance(child, nn.BatchNorm2d) and not alone:
                setattr(module, name, _synchronized_norm(child))
    return network


class SynchronizedBatchNorm(nn.BatchNorm2d):
    """Batch norm over all processes, on any device.

    torch's own works only on GPUs and is used there. This one uses differentiable reductions, one
    for the mean and one for the variance, in float32 or higher precision.
    """

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, H, W) of this process -> the same."""
        if not self.training:
            return super().forward(input)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        processes = distributed.get_world_size()
        x = input.to(torch.promote_types(input.dtype, torch.float32))
        mean = _sum_for_own_losses(x.mean((0, 2, 3))) / processes  # (C,)
        centered = x - mean[:, None, None]
        squares = centered.square().mean((0, 2, 3))
        variance = _sum_for_own_losses(squares) / processes  # (C,)
        with torch.no_grad():
            count = processes * x.numel() / x.shape[1]
            unbiased = variance * (count / max(count - 1, 1))
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(unbiased, self.momentum)
            self.num_batches_tracked += 1
        scale = self.weight * torch.rsqrt(variance + self.eps)  # (C,)
        normalized: Tensor = centered * scale[:, None, None] + self.bias[:, None, None]
        return normalized.to(input.dtype)


class _SumForOwnLosses(Function):
    """The sum over all processes, where each computes a loss of its own from it.

    Its gradient is that of the sum of all losses: the sum of the gradients of all processes. In
    `losses.shared_loss`, all processes have the same loss instead. torch has this function as
    `torch.distributed.nn.functional.all_reduce`, but deprecates it.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, local: Tensor) -> Tensor:
        total = local.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: FunctionCtx, *grad_outputs: Tensor) -> Tensor:
        total = grad_outputs[0].clone()
        distributed.all_reduce(total)
        return total


# torch has no type for `apply`.
_sum_for_own_losses: Callable[[Tensor], Tensor] = _SumForOwnLosses.apply
_convert: Callable[[nn.Module], nn.Module] = nn.SyncBatchNorm.convert_sync_batchnorm


def _synchronized_norm(norm: nn.BatchNorm2d) -> nn.Module:
    if distributed.get_backend() == 'nccl':
        return _convert(norm)
    ours = SynchronizedBatchNorm(norm.num_features, norm.eps, norm.momentum).to(norm.weight)
    ours.load_state_dict(norm.state_dict())
    return ours
