# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Computes the segmentation loss: cross-entropy, OHEM, Dice and boosters."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bisenet_ros.label_space import IGNORE
from bisenet_ros.network import STRIDE
from bisenet_training.losses.cross_entropy import pixel_cross_entropy
from bisenet_training.losses.settings import LossSettings
from bisenet_training.losses.shared_loss import sum_for_shared_loss
from bisenet_training.losses.upsampling import upsample


class SegmentationLoss(nn.Module):
    """The main head's loss plus the boosters' weighted losses (V1, formula 2; V2, section 4.4).

    A head's loss is the mean cross-entropy over its labelled pixels, or the hard ones among them,
    weighted by class, plus the weighted Dice loss. Everything is computed in float32.

    A binary task has two classes, with the foreground second, and needs no special treatment: the
    softmax of two logits gives the foreground the probability sigmoid(z1 - z0), so cross-entropy of
    the two *is* the binary cross-entropy (BCE) of the logit z1 - z0. Two outputs instead of one
    cost next to nothing, and argmax, the engines and every export work unchanged. Only Dice uses
    the foreground alone.

    If torch.distributed is initialised, sums and counts are those of all processes. So every
    process gets the loss of the whole batch, and DistributedDataParallel the gradient that one
    process with the whole batch would have. The exception is `hard_least_share`, which each
    process applies to its own pixels.

    Args:
        settings: Settings of the loss.
        num_classes: Number of classes.
        shares: (num_classes,) share of each class in the labelled pixels of the data set; required
            for class weights 'enet'.

    Raises:
        UserError: There is not one class weight for each class.
        ValueError: Class weights 'enet' without shares.
    """

    pixel_weights: Tensor

    def __init__(
        self,
        settings: LossSettings,
        num_classes: int,
        shares: npt.NDArray[np.float64] | None = None,
    ) -> None:
        super().__init__()
        self.settings = settings
        self.num_classes = num_classes
        weights = class_weights(settings, num_classes, shares)
        # Indexed by label, with 0 for `IGNORE`: one look-up also excludes unlabelled pixels.
        pixel_weights = F.pad(weights, (0, IGNORE + 1 - num_classes))  # (256,)
        self.register_buffer('pixel_weights', pixel_weights, persistent=False)

    def forward(self, heads: Sequence[Tensor], labels: Tensor, progress: float = 0.0) -> Tensor:
        """Computes the scalar loss of a batch; 0, with gradients of 0, if no pixel is labelled.

        Args:
            heads: Output of `SegmentationNetwork.coarse_heads`: logits of the main head, then of
                the boosters, each (B, classes, h, w) at its own scale of the padded input.
            labels: (B, H, W) int64 at the size of the images before the network pads them;
                `IGNORE` for unlabelled pixels.
            progress: Fraction of the training that is done, 0 to 1.
        """
        hard_from = self.settings.hard_from
        hard_only = hard_from is not None and progress >= hard_from
        labels = pad_labels(labels)
        stride = self.settings.booster_label_stride
        # Every n-th label, from the middle of its n x n square, where logits of `stride` are.
        sparse = labels[:, stride // 2 :: stride, stride // 2 :: stride].contiguous()
        with torch.autocast(labels.device.type, enabled=False):
            # One message sums the statistics of all heads over the processes.
            local = torch.stack(
                [
                    self._statistics(logits, sparse if index else labels, hard_only)
                    for index, logits in enumerate(heads)
                ]
            )  # (heads, statistics)
            cross_entropies, dices = self._losses(sum_for_shared_loss(local))  # (heads,), (heads,)
            losses = cross_entropies + self.settings.dice_weight * dices
            total: Tensor = losses[0] + self.settings.booster_weight * losses[1:].sum()
        return total

    def _statistics(self, logits: Tensor, labels: Tensor, hard_only: bool) -> Tensor:
        """Computes the statistics of a head's loss, which add up over processes.

        Returns:
            (2,): the weighted sum of the pixels' cross-entropy, and the sum of the weights. With
            Dice, (2 + 2 classes,): also the overlap and the size of each class.
        """
        # Contiguous coarse logits, which are small, make the upsampled logits contiguous, on which
        # the softmax is faster.
        height, width = labels.shape[1:]
        logits = upsample(logits.float().contiguous(), (height, width))  # (B, classes, h, w)
        losses = pixel_cross_entropy(logits, labels)  # (B, h, w)
        weights = self.pixel_weights[labels]  # (B, h, w)
        if hard_only:
            weights = weights * self._hard(losses.detach(), labels)
        statistics = [torch.stack(((losses * weights).sum(), weights.sum()))]
        if self.settings.dice_weight:
            labelled = labels != IGNORE
            classes = labels.where(labelled, 0)
            # The probability of the true class is exp(-loss); unlabelled pixels get 0.
            true = torch.exp(-losses) * labelled
            zeros = true.new_zeros(self.num_classes)
            overlap = zeros.index_add(0, classes.flatten(), true.flatten())
            truth = zeros.index_add(0, classes.flatten(), labelled.flatten().float())
            predicted = (logits.softmax(1) * labelled[:, None]).sum((0, 2, 3))
            statistics += [overlap, truth + predicted]
        return torch.cat(statistics)

    def _losses(self, statistics: Tensor) -> tuple[Tensor, Tensor]:
        """Computes the cross-entropy and the Dice loss of each head from (heads, …) statistics."""
        weighted, weights = statistics[:, :2].unbind(1)
        # Without a labelled pixel both are 0, and so is the loss.
        cross_entropy = weighted / weights.where(weights > 0, 1)
        if not self.settings.dice_weight:
            return cross_entropy, torch.zeros_like(cross_entropy)
        overlap, size = statistics[:, 2:].chunk(2, dim=1)
        # Adding 1 to both gives a class that is neither present nor predicted a loss of 0.
        dice = 1 - (2 * overlap + 1) / (size + 1)  # (heads, classes)
        foreground = dice[:, 1:] if self.num_classes == 2 else dice
        return cross_entropy, foreground.mean(1)

    def _hard(self, losses: Tensor, labels: Tensor) -> Tensor:
        """Returns (B, h, w) whether each pixel is hard; undefined for unlabelled pixels."""
        hard = losses > -math.log(self.settings.hard_probability)
        least = (labels != IGNORE).sum() * self.settings.hard_least_share
        if hard.sum() >= least:
            return hard
        # Rare: finding the hardest pixels takes longer than the rest of the loss.
        count = math.ceil(least.item())
        return losses >= losses.flatten().kthvalue(losses.numel() - count + 1).values


def class_weights(
    settings: LossSettings, num_classes: int, shares: npt.NDArray[np.float64] | None
) -> Tensor:
    """Returns (num_classes,) float32: the weight of a pixel of each class.

    Args:
        settings: Settings of the loss, which choose the weights.
        num_classes: Number of classes.
        shares: (num_classes,) share of each class in the labelled pixels of the data set.

    Raises:
        UserError: There is not one class weight for each class.
        ValueError: Class weights 'enet' without shares.
    """
    if settings.class_weights == 'none':
        return torch.ones(num_classes)
    if settings.class_weights == 'enet':
        if shares is None:
            raise ValueError("class weights 'enet' need the shares of the classes")
        return torch.from_numpy(1 / np.log(1.10 + shares)).float()
    settings.check_classes(num_classes)
    return torch.tensor(settings.class_weights)


def pad_labels(labels: Tensor) -> Tensor:
    """Pads (B, H, W) to (B, H', W') with `IGNORE` where `pad_to_stride` pads images."""
    height, width = labels.shape[1:]
    right, bottom = -width % STRIDE, -height % STRIDE
    return F.pad(labels, (0, right, 0, bottom), value=IGNORE) if right or bottom else labels
