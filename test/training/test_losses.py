# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Losses against plain PyTorch and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from bisenet_ros.label_space import IGNORE
from bisenet_training.losses import class_weights, pixel_loss, training_loss


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Logits (2, 4, 32, 32), labels with unlabelled pixels, weights."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 4, 32, 32, generator=generator)
    labels = torch.randint(0, 4, (2, 32, 32), generator=generator)
    labels[:, :5] = IGNORE
    return logits, labels, torch.tensor((1.0, 2.0, 3.0, 4.0))


def test_weighted_mean_is_that_of_pytorch(
    batch: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
) -> None:
    logits, labels, weights = batch
    expected = F.cross_entropy(logits, labels, weights, ignore_index=IGNORE)
    torch.testing.assert_close(pixel_loss(logits, labels, weights, hard_only=False), expected)


def test_hard_pixels_are_those_under_the_threshold(
    batch: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
) -> None:
    logits, labels, _ = batch
    known = labels != IGNORE
    true_class = labels.where(known, torch.zeros_like(labels))[:, None]
    probability = logits.softmax(1).gather(1, true_class)[:, 0]
    expected = -probability[known & (probability <= 0.7)].log().mean()
    torch.testing.assert_close(pixel_loss(logits, labels, torch.ones(4), hard_only=True), expected)


def test_a_sixteenth_is_kept_where_all_pixels_are_easy() -> None:
    logits = torch.zeros(1, 2, 8, 8)
    logits[:, 1] = torch.linspace(5, 9, 64).view(1, 8, 8)
    labels = torch.ones(1, 8, 8, dtype=torch.long)
    losses = F.cross_entropy(logits, labels, reduction='none').flatten().sort().values
    loss = pixel_loss(logits, labels, torch.ones(2), hard_only=True)
    torch.testing.assert_close(loss, losses[-4:].mean())


@pytest.mark.parametrize('hard_only', [False, True])
def test_a_batch_without_a_labelled_pixel_costs_nothing(hard_only: bool) -> None:
    logits = torch.randn(1, 4, 32, 32, requires_grad=True)
    labels = torch.full((1, 32, 32), IGNORE)
    loss = pixel_loss(logits, labels, torch.ones(4), hard_only=hard_only)
    loss.backward()
    assert loss == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_boosters_add_their_share(batch: tuple[torch.Tensor, torch.Tensor, torch.Tensor]) -> None:
    logits, labels, weights = batch
    heads = (logits, logits[:, :, ::4, ::4])

    def loss(booster_weight: float) -> torch.Tensor:
        return training_loss(heads, labels, weights, booster_weight=booster_weight, hard_only=False)

    torch.testing.assert_close(loss(0.0), pixel_loss(logits, labels, weights, hard_only=False))
    torch.testing.assert_close(loss(1.0) - loss(0.0), 2 * (loss(0.5) - loss(0.0)))
    assert loss(1.0) > loss(0.0)


def test_rare_classes_weigh_more() -> None:
    weights = class_weights(np.array((0.5, 0.01)))
    torch.testing.assert_close(weights, torch.tensor((1 / np.log(1.6), 1 / np.log(1.11))).float())
