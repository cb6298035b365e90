# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a training step does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.utils import convert_conv2d_weight_memory_format
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader

from bisenet_ros.checkpoint import Checkpoint
from bisenet_ros.label_space import LabelSpace
from bisenet_training.average import AverageNetwork
from bisenet_training.config import TrainingConfig
from bisenet_training.data import Batch, View
from bisenet_training.extra import LightningModule
from bisenet_training.initial_network import InitialNetwork
from bisenet_training.losses import SegmentationLoss
from bisenet_training.optim import build_optimizer
from bisenet_training.synchronized import synchronize

MakeLoader = Callable[[int], 'DataLoader[View]']
"""Step -> the batches from that step on."""


class SegmentationModule(LightningModule):
    """A network, its average, and how they learn.

    Attributes:
        network: In training form, with boosters.
        average: What is evaluated and exported.
        label_space: The classes.
    """

    def __init__(
        self,
        config: TrainingConfig,
        initial: InitialNetwork,
        label_space: LabelSpace,
        shares: npt.NDArray[np.float64],
        make_loader: MakeLoader,
    ) -> None:
        """Prepare a network for training.

        Args:
            config: Everything that decides what is learned.
            initial: What to train; it is changed in place.
            label_space: The classes.
            shares: (classes,) share of each class in the labelled pixels.
            make_loader: Gives the batches.
        """
        super().__init__()
        self.config = config
        self.label_space = label_space
        convert_conv2d_weight_memory_format(initial.network, torch.channels_last)
        self.average = AverageNetwork(initial.network, config.average_decay)
        self.network = synchronize(initial.network)
        self._options = initial.options
        self.loss = SegmentationLoss(config.loss, len(label_space), shares)
        self._normalization = config.normalization.build()
        self._make_loader = make_loader

    def configure_optimizers(self) -> Any:
        """The optimiser, and its learning rate by step."""
        optimizer = build_optimizer(self.network, self.config.optimizer)
        schedule, steps = self.config.schedule, self.config.max_steps
        rates = LambdaLR(optimizer, lambda step: schedule.factor(step, steps))
        return {'optimizer': optimizer, 'lr_scheduler': {'scheduler': rates, 'interval': 'step'}}

    def train_dataloader(self) -> DataLoader[View]:
        """The batches from the present step on."""
        return self._make_loader(self.global_step)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Let chance, of which dropout makes use, follow from the step alone, as batches do."""
        chance = np.random.SeedSequence((self.config.seed, 3, batch_idx)).generate_state(1)
        torch.manual_seed(int(chance[0]))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of images (B, H, W, 3) uint8 and labels (B, H, W) uint8."""
        images, labels = batch
        heads = self.network.coarse_heads(self._normalization(images))
        progress = self.global_step / self.config.max_steps
        total: Tensor = self.loss(heads, labels.long(), progress).total
        return total

    def optimizer_step(
        self,
        epoch: int,
        batch_idx: int,
        optimizer: Optimizer | Any,
        optimizer_closure: Callable[[], Any] | None = None,
    ) -> None:
        """A step of the optimiser, which the average follows."""
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        self.average.update(self.network, self.global_step + 1)  # counted only after this

    def checkpoint(self, provenance: dict[str, Any]) -> Checkpoint:
        """The averaged weights of the inference network, without boosters."""
        return Checkpoint(
            network=self.config.network.name,
            label_space=self.label_space,
            normalization=self._normalization,
            network_size=self.config.network_size,
            upsampling=self.network.upsampling,
            options=self._options,
            state_dict={
                name: value
                for name, value in self.average.network.state_dict().items()
                if not name.startswith('boosters.')
            },
            provenance=provenance,
        )
