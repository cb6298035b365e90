# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Keeps the losses of steps on the device until they are read, and times the steps."""

from __future__ import annotations

import time

import torch
from torch import Tensor

from bisenet_training.config import TrainingConfig
from bisenet_training.run_folder import StepRow


class StepLosses:
    """Losses of the steps since the last read.

    Attributes:
        seconds: Time of all steps that were read, without evaluations.
    """

    def __init__(self, config: TrainingConfig, seconds: float) -> None:
        """Starts the clock.

        Args:
            config: The configuration of the run.
            seconds: Time of earlier steps.
        """
        self.seconds = seconds
        self._config = config
        self._unread: list[Tensor] = []
        self.restart_clock()

    def restart_clock(self) -> None:
        """Leaves out the time since the last read."""
        self._since = time.perf_counter()

    def add(self, loss: Tensor) -> None:
        """Keeps the loss of a step, () on the device."""
        self._unread.append(loss)

    def read(self, step: int) -> tuple[list[StepRow], float]:
        """Reads the losses since the last read, which waits for the device.

        Args:
            step: Number of completed steps.

        Returns:
            A row for each step since the last read, and their mean seconds.
        """
        losses = torch.stack(self._unread).tolist()
        self._unread.clear()
        now = time.perf_counter()
        each = (now - self._since) / len(losses)
        self._since = now
        rows = []
        for number, loss in enumerate(losses, step - len(losses)):
            self.seconds += each
            lr = self._config.schedule.factor(number, self._config.max_steps)
            lr *= self._config.optimizer.lr
            rows.append(StepRow(number + 1, loss, lr, round(self.seconds, 3)))
        return rows, each
