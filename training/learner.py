# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What learns in a training run: the network with its average, optimiser, losses and teacher."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.utils import convert_conv2d_weight_memory_format

from bisenet_ros.checkpoint import Checkpoint
from bisenet_ros.label_space import LabelSpace
from bisenet_training.average import AverageNetwork
from bisenet_training.config import TrainingConfig
from bisenet_training.data import Batch
from bisenet_training.depthwise import keep_depthwise_in_float32
from bisenet_training.extra import Fabric
from bisenet_training.initial_network import InitialNetwork
from bisenet_training.losses import SegmentationLoss
from bisenet_training.optim import build_optimizer
from bisenet_training.student import Student
from bisenet_training.synchronized import synchronize
from bisenet_training.teacher import Teacher


class Learner:
    """A network in training.

    Attributes:
        average: The moving average of the network, which is what a run results in.
        state: All that a saved state holds of it, by name.
    """

    def __init__(
        self,
        config: TrainingConfig,
        label_space: LabelSpace,
        class_shares: npt.NDArray[np.float64],
        initial: InitialNetwork,
        teacher: Teacher | None,
        fabric: Fabric,
    ) -> None:
        """
        Args:
            config: The configuration of the run.
            label_space: The classes.
            class_shares: (classes,) shares of the labelled pixels, for the loss.
            initial: The network, which is changed in place.
            teacher: The teacher, if there is one.
            fabric: The processes that train.
        """
        self._config = config
        self._label_space = label_space
        self._options = initial.options
        self._normalize = config.normalization.build()
        self._teacher = teacher
        self._fabric = fabric
        convert_conv2d_weight_memory_format(initial.network, torch.channels_last)
        self.average = fabric.to_device(AverageNetwork(initial.network, config.average_decay))
        self._network = synchronize(initial.network)
        if fabric.device.type != 'cuda' and config.precision == 'bf16':
            keep_depthwise_in_float32(self._network)
        student = Student(self._network, None if teacher is None else teacher.compared_channels)
        self._model, self._optimizer = fabric.setup(
            student, build_optimizer(student, config.optimizer)
        )
        self._model.train()
        self._criterion = fabric.to_device(
            SegmentationLoss(config.loss, len(label_space), class_shares)
        )
        self.state: dict[str, Any] = {
            'student': student,
            'average': self.average,
            'optimizer': self._optimizer,
            'precision': fabric.strategy.precision,  # the loss scale in fp16
        }

    def step(self, step: int, batches: Iterator[Batch]) -> Tensor:
        """Does one optimiser step, in all processes at once.

        Args:
            step: Number of completed steps.
            batches: Yields the parts of the batch.

        Returns:
            The loss of the batch, () on the device.
        """
        config, fabric = self._config, self._fabric
        factor = config.schedule.factor(step, config.max_steps)
        for group in self._optimizer.param_groups:
            group['lr'] = factor * group['initial_lr']
        total = torch.zeros((), device=fabric.device)
        for part in range(config.accumulate):
            seeds = np.random.SeedSequence((config.seed, 3, step * config.accumulate + part))
            torch.manual_seed(int(seeds.generate_state(1)[0]))  # for dropout
            images, labels = fabric.to_device(next(batches))  # (B, H, W, 3), (B, H, W) uint8
            # Gradients are summed over processes once, after the last part.
            with fabric.no_backward_sync(self._model, enabled=part < config.accumulate - 1):
                loss = self._loss(images, labels, step / config.max_steps) / config.accumulate
                fabric.backward(loss)
            total += loss.detach()
        self._optimizer.step()
        self._optimizer.zero_grad()
        self.average.update(self._network, step + 1)
        return total

    def _loss(self, images: Tensor, labels: Tensor, elapsed: float) -> Tensor:
        """Returns the loss, (), of images (B, H, W, 3) and labels (B, H, W), both uint8.

        Args:
            images: BGR.
            labels: Class ids.
            elapsed: Completed fraction of the steps.
        """
        with self._fabric.autocast():
            # heads: (B, classes, H/8, W/8); those of boosters have other scales
            heads, features = self._model(self._normalize(images))
        loss: Tensor = self._criterion(heads, labels.long(), elapsed)
        if self._teacher is not None:
            with self._fabric.autocast():
                loss = loss + self._teacher.loss(images, heads[0], features)
        return loss

    def checkpoint(self, provenance: dict[str, Any]) -> Checkpoint:
        """Returns the average in its inference form, without boosters."""
        return Checkpoint(
            network=self._config.network.name,
            label_space=self._label_space,
            normalization=self._normalize,
            network_size=self._config.network_size,
            upsampling=self._network.upsampling,
            options=self._options,
            state_dict={
                name: tensor
                for name, tensor in self.average.network.state_dict().items()
                if not name.startswith('boosters.')
            },
            provenance=provenance,
        )
