# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Losses against plain PyTorch and closed forms, in one process and in two."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import distributed_loss
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from torch import Tensor

from bisenet_ros.errors import UserError
from bisenet_ros.label_space import IGNORE
from bisenet_ros.network import NETWORKS
from bisenet_training.losses import LossSettings, SegmentationLoss

CLASSES = 4


@pytest.fixture
def coarse() -> Tensor:
    """Logits of a main head, (2, 4, 12, 8)."""
    return 2 * torch.randn(2, CLASSES, 12, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def labels() -> Tensor:
    """(2, 96, 64) with unlabelled pixels."""
    labels = torch.randint(0, CLASSES, (2, 96, 64), generator=torch.Generator().manual_seed(1))
    labels[:, :5] = IGNORE
    return labels


def upsampled(coarse: Tensor) -> Tensor:
    """Logits at the size of the input, as `SegmentationNetwork.forward` does it."""
    return F.interpolate(coarse, scale_factor=8.0, mode='bilinear', align_corners=False)


def loss_of(coarse: Tensor, labels: Tensor, **settings: object) -> Tensor:
    """The loss of a network without boosters."""
    loss = SegmentationLoss(LossSettings.model_validate(settings), coarse.shape[1])
    return loss((coarse,), labels)


def test_weighted_mean_is_that_of_pytorch(coarse: Tensor, labels: Tensor) -> None:
    weights = (1.0, 2.0, 3.0, 4.0)
    expected = F.cross_entropy(
        upsampled(coarse), labels, torch.tensor(weights), ignore_index=IGNORE
    )
    torch.testing.assert_close(loss_of(coarse, labels, class_weights=weights), expected)


@pytest.mark.parametrize('name', ['bisenetv1_xception39', 'bisenetv2'])
def test_logits_meet_labels_where_the_network_puts_them(name: str) -> None:
    torch.manual_seed(0)
    network = NETWORKS[name](3, boosters=True).eval()  # evaluation: no dropout, no batch statistics
    images, labels = torch.randn(1, 3, 45, 70), torch.randint(0, 3, (1, 45, 70))
    with torch.inference_mode():
        main, *boosters = network.coarse_heads(images)
        criterion = SegmentationLoss(LossSettings(), 3)
        loss = criterion([main], labels)
        expected = F.cross_entropy(network(images), labels)
        each = sum(criterion([booster], labels) for booster in boosters)
        together = criterion([main, *boosters], labels)
    torch.testing.assert_close(loss, expected)
    assert len(boosters) == len(network.boosters)
    torch.testing.assert_close(together, expected + each)


def test_hard_pixels_are_those_under_the_threshold(coarse: Tensor, labels: Tensor) -> None:
    known = labels != IGNORE
    true_class = labels.where(known, 0)[:, None]
    probability = upsampled(coarse).softmax(1).gather(1, true_class)[:, 0]
    expected = -probability[known & (probability < 0.6)].log().mean()
    assert ((probability < 0.6) & known).sum() > known.sum() / 16
    actual = loss_of(coarse, labels, hard_from=0, hard_probability=0.6)
    torch.testing.assert_close(actual, expected)


def test_a_sixteenth_is_kept_where_all_pixels_are_easy() -> None:
    coarse = torch.zeros(1, 2, 4, 4)
    coarse[:, 1] = torch.linspace(5, 9, 16).view(1, 4, 4)
    labels = torch.ones(1, 32, 32, dtype=torch.long)
    labels[:, 16:] = IGNORE
    losses = F.cross_entropy(upsampled(coarse), labels, reduction='none', ignore_index=IGNORE)
    ranked = losses[:, :16].flatten().sort(descending=True).values
    hardest = ranked[ranked >= ranked[len(ranked) // 16 - 1]]  # ties with the last one count too
    assert len(ranked) // 16 <= len(hardest) < len(ranked) // 12
    torch.testing.assert_close(loss_of(coarse, labels, hard_from=0), hardest.mean())


def test_hard_pixels_alone_count_from_a_progress_on(coarse: Tensor, labels: Tensor) -> None:
    loss = SegmentationLoss(LossSettings(hard_from=0.75), CLASSES)
    values = [loss((coarse,), labels, progress) for progress in (0.0, 0.74, 0.75, 1.0)]
    easy, hard = loss_of(coarse, labels), loss_of(coarse, labels, hard_from=0)
    assert values == [easy, easy, hard, hard]
    assert hard > easy


@pytest.mark.parametrize('hard_from', [None, 0])
@pytest.mark.parametrize('dice_weight', [0, 1])
def test_a_batch_without_a_labelled_pixel_costs_nothing(
    coarse: Tensor, hard_from: float | None, dice_weight: float
) -> None:
    coarse.requires_grad_()
    labels = torch.full((2, 96, 64), IGNORE)
    loss = loss_of(coarse, labels, hard_from=hard_from, dice_weight=dice_weight)
    loss.backward()
    assert loss == 0
    assert coarse.grad is not None
    assert not coarse.grad.any()


def test_boosters_add_their_share(coarse: Tensor, labels: Tensor) -> None:
    boosters = (coarse.roll(1, 1), coarse[:, :, ::2, ::2])

    def loss(booster_weight: float) -> Tensor:
        settings = LossSettings(booster_weight=booster_weight)
        return SegmentationLoss(settings, CLASSES)((coarse, *boosters), labels)

    main = loss_of(coarse, labels)
    torch.testing.assert_close(loss(0.0), main)
    each = loss_of(boosters[0], labels) + F.cross_entropy(
        F.interpolate(boosters[1], scale_factor=16.0, mode='bilinear', align_corners=False),
        labels,
        ignore_index=IGNORE,
    )
    torch.testing.assert_close(loss(0.4), main + 0.4 * each)


def test_every_fourth_label_is_where_it_belongs(coarse: Tensor) -> None:
    labels = upsampled(coarse).argmax(1)

    def booster_loss(stride: int, shift: int) -> float:
        loss = SegmentationLoss(LossSettings(booster_label_stride=stride), CLASSES)
        moved = labels.roll((shift, shift), (1, 2))
        return (loss((coarse, coarse), moved) - loss((coarse,), moved)).item()

    for stride in (2, 4):
        assert booster_loss(stride, 0) == pytest.approx(booster_loss(1, 0), rel=0.05)
        for shift in (-2, 2):
            assert booster_loss(stride, 0) < booster_loss(stride, shift) - 0.02


def test_half_precision_logits_are_summed_in_float32(coarse: Tensor, labels: Tensor) -> None:
    half = coarse.bfloat16()
    with torch.autocast('cpu', torch.bfloat16):
        actual = loss_of(half, labels)
    assert actual.dtype == torch.float32
    torch.testing.assert_close(actual, loss_of(half.float(), labels), rtol=0, atol=0)


def test_two_outputs_are_a_binary_cross_entropy_and_dice(labels: Tensor, coarse: Tensor) -> None:
    coarse = coarse[:, :2]
    labels = labels.where(labels == IGNORE, labels % 2)
    logits = upsampled(coarse)
    known = labels != IGNORE
    foreground, truth = (logits[:, 1] - logits[:, 0])[known], labels[known].float()
    bce = F.binary_cross_entropy_with_logits(foreground, truth)
    torch.testing.assert_close(loss_of(coarse, labels), bce)
    p = foreground.sigmoid()
    dice = 1 - (2 * (p * truth).sum() + 1) / (p.sum() + truth.sum() + 1)
    torch.testing.assert_close(loss_of(coarse, labels, dice_weight=0.5), bce + 0.5 * dice)


def test_dice_of_many_classes_is_the_mean_over_them(coarse: Tensor, labels: Tensor) -> None:
    known = labels != IGNORE
    p = upsampled(coarse).softmax(1).movedim(1, -1)[known]  # (N, classes)
    truth = F.one_hot(labels[known], CLASSES)
    dice = 1 - (2 * (p * truth).sum(0) + 1) / (p.sum(0) + truth.sum(0) + 1)
    actual = loss_of(coarse, labels, dice_weight=1) - loss_of(coarse, labels)
    torch.testing.assert_close(actual, dice.mean())


def test_rare_classes_weigh_more() -> None:
    loss = SegmentationLoss(LossSettings(class_weights='enet'), 2, np.array((0.5, 0.01)))
    expected = torch.tensor((1 / np.log(1.6), 1 / np.log(1.11))).float()
    torch.testing.assert_close(loss.pixel_weights[:2], expected)
    assert not loss.pixel_weights[2:].any()


def test_wrong_weights_are_refused() -> None:
    with pytest.raises(UserError, match='are 3 numbers, but there are 2 classes: give one for'):
        SegmentationLoss(LossSettings(class_weights=(1, 2, 3)), 2)
    with pytest.raises(ValidationError, match='are all 0'):
        LossSettings(class_weights=(0, 0))
    with pytest.raises(ValidationError, match='greater than or equal to 0'):
        LossSettings(class_weights=(-1, 2))
    with pytest.raises(ValueError, match='need the shares'):
        SegmentationLoss(LossSettings(class_weights='enet'), 2)


def test_two_processes_learn_what_one_learns_from_both_batches(tmp_path: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, distributed_loss.__file__, str(rank), str(tmp_path)],
            env={**os.environ, 'OMP_NUM_THREADS': '1'},
        )
        for rank in range(distributed_loss.PROCESSES)
    ]
    assert [process.wait(timeout=240) for process in processes] == [0, 0]
    for name, setting in distributed_loss.SETTINGS.items():
        expected = distributed_loss.step(setting, slice(None))
        for rank in range(distributed_loss.PROCESSES):
            actual = torch.load(tmp_path / f'{rank}.pt', weights_only=True)[name]
            torch.testing.assert_close(actual, expected)
