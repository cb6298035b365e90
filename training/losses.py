# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What training minimises."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from bisenet_ros.label_space import IGNORE

BOOSTER_LABEL_STRIDE = 4
"""Boosters are compared with every fourth label: their logits have no more detail than that."""


def class_weights(shares: npt.NDArray[np.float64]) -> Tensor:
    """(classes,) float32 weights 1 / ln(1.10 + share) (Paszke et al. 2016, ENet, section 5.2)."""
    return torch.from_numpy(1 / np.log(1.10 + shares)).float()


def pixel_loss(logits: Tensor, labels: Tensor, weights: Tensor, *, hard_only: bool) -> Tensor:
    """Weighted cross-entropy over labelled pixels, or over the hard ones of them (OHEM).

    Hard are pixels whose probability of the true class is under 0.7, and at least a sixteenth of
    the labelled pixels (Shrivastava et al. 2016).

    Args:
        logits: (B, classes, H, W).
        labels: (B, H, W) int64, `IGNORE` where there is no truth.
        weights: (classes,) weight of each class.
        hard_only: Whether to leave the easy pixels out.

    Returns:
        The mean, a scalar; 0 where no pixel is labelled.
    """
    losses = F.cross_entropy(logits, labels, ignore_index=IGNORE, reduction='none')  # (B, H, W)
    valid = labels != IGNORE
    losses, weight = losses[valid], weights[labels[valid]]  # (N,)
    if hard_only and losses.numel():
        least = max(1, losses.numel() // 16)
        threshold = torch.minimum(
            torch.tensor(0.7, device=losses.device).log().neg(),
            losses.detach().kthvalue(losses.numel() - least + 1).values,
        )
        hard = losses.detach() >= threshold
        losses, weight = losses[hard], weight[hard]
    return (losses * weight).sum() / weight.sum().clamp(min=1e-6)


def training_loss(
    heads: Sequence[Tensor],
    labels: Tensor,
    weights: Tensor,
    *,
    booster_weight: float,
    hard_only: bool,
) -> Tensor:
    """The main head's loss and, weighted, the boosters' (BiSeNet V2, section 4.4).

    Args:
        heads: Logits of the main head, then of the boosters, each (B, classes, h, w) at its own
            scale, all of the same padded input.
        labels: (B, H, W) int64; H and W are multiples of 32.
        weights: (classes,) weight of each class.
        booster_weight: What a booster's loss counts against the main head's.
        hard_only: Whether to leave easy pixels out.
    """
    main, *boosters = heads
    loss = pixel_loss(_resize(main, labels), labels, weights, hard_only=hard_only)
    middle = BOOSTER_LABEL_STRIDE // 2
    sparse = labels[:, middle::BOOSTER_LABEL_STRIDE, middle::BOOSTER_LABEL_STRIDE].contiguous()
    for logits in boosters:
        booster_loss = pixel_loss(_resize(logits, sparse), sparse, weights, hard_only=hard_only)
        loss = loss + booster_weight * booster_loss
    return loss


def _resize(logits: Tensor, labels: Tensor) -> Tensor:
    """Bilinear to the size of the labels, in float32."""
    return F.interpolate(
        logits.float(), labels.shape[1:], mode='bilinear', align_corners=False
    ).contiguous()
