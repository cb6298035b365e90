# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Validates weights during training as on the vehicle, split over the processes."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from bisenet_ros.checkpoint import Checkpoint
from bisenet_ros.label_space import LabelSpace
from bisenet_ros.metrics import ConfusionMatrix, nan_to_none
from bisenet_ros.model_settings import ModelSettings
from bisenet_ros.segmenter import Segmenter
from bisenet_training.datasets import Dataset
from bisenet_training.distributed import sum_without_gradient
from bisenet_training.evaluation import EvaluatedFrame
from bisenet_training.extra import Fabric

_SHOWN_FRAMES = 4


@dataclass(frozen=True)
class Validation:
    """The result on a data set.

    Attributes:
        label_space: The classes.
        confusion: Confusion matrix over all frames of all processes.
        frames: Sample frames of this process for pictures, the same each time.
    """

    label_space: LabelSpace
    confusion: ConfusionMatrix
    frames: tuple[EvaluatedFrame, ...]

    @property
    def miou(self) -> float | None:
        """From 0 to 1; None if no pixel has a class."""
        return nan_to_none(self.confusion.miou())

    @property
    def drivable_iou(self) -> float | None:
        """From 0 to 1; None if neither ground truth nor labels have drivable pixels."""
        ids = self.label_space.ids_of(self.label_space.drivable)
        return nan_to_none(self.confusion.group_iou(ids))

    @property
    def pixel_accuracy(self) -> float | None:
        """From 0 to 1; None if no pixel has a class."""
        return nan_to_none(self.confusion.pixel_accuracy())


def validate(checkpoint: Checkpoint, dataset: Dataset, fabric: Fabric) -> Validation:
    """Segments a data set, a part in each process, and merges the confusion matrices.

    Args:
        checkpoint: The weights, for the classes of the data set.
        dataset: The frames and their ground truth.
        fabric: The processes; all of them must call this function.

    Raises:
        DatasetError: A frame cannot be read.
    """
    segmenter = make_segmenter(checkpoint, fabric.device)
    confusion = ConfusionMatrix(len(dataset.label_space))
    mine = range(fabric.global_rank, len(dataset), fabric.world_size)
    shown = set(mine[:: max(1, len(mine) // _SHOWN_FRAMES)][:_SHOWN_FRAMES])
    frames = []
    for index in mine:
        sample = dataset[index]
        labels = segmenter(sample.image).labels
        of_frame = ConfusionMatrix(len(dataset.label_space))
        of_frame.update(labels, sample.labels)
        confusion.add(of_frame)
        if index in shown:
            frames.append(EvaluatedFrame(index, sample, labels, of_frame.miou()))
    confusion.counts[:] = sum_without_gradient(fabric, torch.from_numpy(confusion.counts)).numpy()
    return Validation(dataset.label_space, confusion, tuple(frames))


def make_segmenter(checkpoint: Checkpoint, device: torch.device) -> Segmenter:
    """Returns the node's segmenter on torch; other engines take too long to set up for one use."""
    return Segmenter(checkpoint, ModelSettings(device=str(device), engine='torch'))
