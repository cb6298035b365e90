# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Configures trainings of a few seconds, on streets of a few colours in Cityscapes' layout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bisenet_training.config import TrainingConfig, load_config
from bisenet_training.run_folder import read_rows

SMALL = """\
network: {name: bisenetv2}
network_size: [128, 64]
train:
  - dataset: {kind: cityscapes, root: ., split: train}
validation: {kind: cityscapes, root: ., split: val}
crop: [96, 64]
batch: 4
max_steps: 8
evaluate_every: 4
precision: fp32
average_decay: 0.95
device: cpu
workers: 0
loss: {booster_weight: 0.4, booster_label_stride: 4}
optimizer: {kind: adamw, lr: 0.003, weight_decay: 0.02}
schedule: {warmup_steps: 5}
"""


def write_config(path: Path, data: Path) -> Path:
    """Writes a configuration of eight steps on the data set in a folder."""
    path.write_text(f'data: {data}\n{SMALL}')
    return path


def small_config(folder: Path, data: Path, overrides: Sequence[str] = ()) -> TrainingConfig:
    """Writes the same configuration, and reads it with overrides."""
    return load_config(write_config(folder / 'small.yaml', data), overrides)


def losses(run: Path) -> dict[int, float]:
    """Returns the loss of every step of a run; no step may occur twice."""
    rows = read_rows(run / 'steps.csv')
    found = {int(row['step']): float(row['loss']) for row in rows}
    assert len(found) == len(rows)
    return found
