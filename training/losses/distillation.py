# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Distillation loss: compares logits by pixel and features by channel with a teacher."""

from __future__ import annotations

import torch
from torch import Tensor, distributed

from bisenet_training.losses.settings import TeacherSettings
from bisenet_training.losses.sum_over_processes import sum_over_processes


def distillation_loss(
    settings: TeacherSettings,
    logits: Tensor,
    teacher_logits: Tensor,
    features: Tensor | None,
    teacher_features: Tensor,
) -> Tensor:
    """The weighted sum of both comparisons, a scalar in float32.

    Logits are compared pixel by pixel: the Kullback-Leibler divergence of the student's class
    probabilities from the teacher's, both softened by a temperature T, times T² (Hinton et al.
    2015, section 2). Features are compared channel by channel: where in the image each is strong,
    a softmax over its places (Shu et al. 2021, Channel-wise Knowledge Distillation, equations 3
    and 4).

    Every pixel counts, whether it has a label or not. All processes have batches of the same size,
    and get the mean over all of them.

    Args:
        settings: Weights and temperatures.
        logits: (B, classes, h, w) of the student's main head.
        teacher_logits: Likewise, of the teacher.
        features: (B, C, h, w) of the student, projected to the teacher's width; None where they do
            not count.
        teacher_features: (B, C, h, w).
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
    total: Tensor = sum_over_processes(loss / processes)
    return total


def divergence_by_pixel(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T² KL(teacher || student) of the softmax over classes, a mean over pixels."""
    return _divergence(student, teacher, temperature, dim=1)


def divergence_by_channel(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T² KL(teacher || student) of the softmax over places, a mean over channels."""
    return _divergence(student.flatten(2), teacher.flatten(2), temperature, dim=2)


def _divergence(student: Tensor, teacher: Tensor, temperature: float, dim: int) -> Tensor:
    log_student = (student / temperature).log_softmax(dim)
    log_teacher = (teacher / temperature).log_softmax(dim)
    pointwise = log_teacher.exp() * (log_teacher - log_student)
    return temperature**2 * pointwise.sum(dim).mean()
