# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Writes a checkpoint for tests that states an error rate and recognises anomalies."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from tiny_checkpoint import save_tiny_checkpoint

from bisenet_ros.checkpoint import Checkpoint
from bisenet_ros.segmenter import Segmenter
from bisenet_ros.trust.anomaly import MaxLogits
from bisenet_ros.trust.claim import Claim

CLAIM = Claim(
    false_drivable=0.025,
    confidence=0.9,
    threshold=0.14,
    usual_confidence=0.1,
    settings={
        'network_size': [128, 96],
        'output_size': [],
        'drivable_classes': ['sky', 'car'],
        'min_drivable_area': 0.0,
        'anomaly_threshold': 0.0,
    },
    data='somewhere (200 frames)',
    frames=200,
)


def save_calibrated_checkpoint(path: Path, claim: Claim = CLAIM) -> Path:
    """Writes a tiny checkpoint with a claim, and with statistics of its logits for noise."""
    weights = save_tiny_checkpoint(path)
    noise = np.random.default_rng(1).integers(0, 256, (96, 128, 3), np.uint8)
    _, logits = Segmenter.load(weights, device='cpu', precision='fp32').with_logits(noise)
    highest = logits.max(axis=0)
    checkpoint = Checkpoint.load(weights)
    classes = len(checkpoint.label_space)
    max_logits = MaxLogits(
        (float(highest.mean()),) * classes, (float(highest.std()),) * classes, 'noise (1 frame)'
    )
    replace(checkpoint, claim=claim, max_logits=max_logits).save(path)
    return path
