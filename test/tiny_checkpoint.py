# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Writes a checkpoint for tests: the real network, untrained, for small images."""

from __future__ import annotations

from pathlib import Path

import torch

from bisenet_ros.checkpoint import Checkpoint
from bisenet_ros.label_space import CAMVID, LabelSpace
from bisenet_ros.network import BiSeNetV2
from bisenet_ros.preprocess import Normalization


def save_tiny_checkpoint(path: Path, label_space: LabelSpace = CAMVID, seed: int = 0) -> Path:
    """Writes a checkpoint whose labels vary over a frame; equal seeds give equal checkpoints."""
    torch.manual_seed(seed)
    network = BiSeNetV2(len(label_space))
    Checkpoint(
        network='bisenetv2',
        label_space=label_space,
        normalization=Normalization(mean=(0.41, 0.43, 0.43), std=(0.3, 0.31, 0.3)),
        network_size=(128, 96),
        upsampling='bilinear',
        state_dict=network.state_dict(),
        provenance={'data': 'nothing: untrained'},
        accuracy={'camvid val': {'miou': 0.0123, 'drivable_iou': 0.0456}},
    ).save(path)
    return path
