# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Computes the distillation loss: compares logits by pixel and features by channel."""

from __future__ import annotations

import torch
from torch import Tensor, distributed

from bisenet_training.losses.settings import TeacherSettings
from bisenet_training.losses.shared_loss import sum_for_shared_loss


def distillation_loss(
    settings: TeacherSettings,
    logits: Tensor,
    teacher_logits: Tensor,
    features: Tensor | None,
    teacher_features: Tensor,
) -> Tensor:
    """Computes the weighted sum of both comparisons, a float32 scalar.

    Logits are compared pixel by pixel: the Kullback-Leibler divergence of the student's class
    probabilities from the teacher's, both softened by a temperature T, times T² (Hinton et al.
    2015, section 2). Features are compared channel by channel: the same divergence of a softmax
    over the positions in the image (Shu et al. 2021, Channel-wise Knowledge Distillation, equations
    3 and 4).

    Every pixel counts, with or without a label. All processes must have batches of the same size;
    each gets the mean over all processes.

    Args:
        settings: Weights and temperatures.
        logits: (B, classes, h, w) of the student's main head.
        teacher_logits: (B, classes, h, w) of the teacher's main head.
        features: (B, C, h, w) of the student, projected to the teacher's width; None to leave them
            out.
        teacher_features: (B, C, h, w) of the teacher.
    """
    with torch.autocast(logits.device.type, enabled=False):
        loss = settings.logits_weight * divergence_by_pixel(
            logits.float(), teacher_logits.float(), settings.temperature
        )
        if features is not None:
            loss = loss + settings.features_weight * divergence_by_channel(
                features.float(), teacher_features.float(), settings.features_temperature
            )
    processes = distributed.get_world_size() if distributed.is_initialized() else 1
    total: Tensor = sum_for_shared_loss(loss / processes)
    return total


def divergence_by_pixel(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Computes T² KL(teacher || student) of the softmax over classes, averaged over pixels."""
    return _divergence(student, teacher, temperature, dim=1)


def divergence_by_channel(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Computes T² KL(teacher || student) of the softmax over positions, averaged over channels."""
    return _divergence(student.flatten(2), teacher.flatten(2), temperature, dim=2)


def _divergence(student: Tensor, teacher: Tensor, temperature: float, dim: int) -> Tensor:
    log_student = (student / temperature).log_softmax(dim)
    log_teacher = (teacher / temperature).log_softmax(dim)
    pointwise = log_teacher.exp() * (log_teacher - log_student)
    return temperature**2 * pointwise.sum(dim).mean()
