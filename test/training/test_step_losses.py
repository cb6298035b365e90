# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every step has one row, with its loss, its learning rate and the time until then."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from bisenet_training import step_losses
from bisenet_training.optim import ScheduleSettings, SgdSettings
from bisenet_training.run_folder import StepRow
from bisenet_training.step_losses import StepLosses


def test_rows_follow_one_another(monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = ScheduleSettings(warmup_steps=2)
    config: Any = SimpleNamespace(
        schedule=schedule, optimizer=SgdSettings(lr=0.5, weight_decay=0), max_steps=10
    )
    times = iter((100.0, 106.0, 200.0, 203.0))
    monkeypatch.setattr(step_losses.time, 'perf_counter', lambda: next(times))

    losses = StepLosses(config, seconds=50.0)  # step 4 follows
    for loss in (3.0, 2.0, 1.0):
        losses.add(torch.tensor(loss))
    first, seconds = losses.read(6)
    assert seconds == 2.0
    losses.restart_clock()  # after an evaluation
    losses.add(torch.tensor(0.5))
    second, seconds = losses.read(7)
    assert seconds == 3.0

    rates = [0.5 * schedule.factor(completed, 10) for completed in range(3, 7)]
    assert [*first, *second] == [
        StepRow(4, 3.0, rates[0], 52.0),
        StepRow(5, 2.0, rates[1], 54.0),
        StepRow(6, 1.0, rates[2], 56.0),
        StepRow(7, 0.5, rates[3], 59.0),
    ]
    assert losses.seconds == 59.0
