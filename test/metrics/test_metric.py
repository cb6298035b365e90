# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What all metrics have in common."""

from __future__ import annotations

import numpy as np
from small_bags import picture, truth_of

from bisenet_ros.drivable import drivable_mask
from bisenet_ros.label_space import CAMVID
from bisenet_ros.metrics import METRICS, Frame, MetricSet


def frame(seed: int, previous: Frame | None) -> Frame:
    """A frame whose labels are wrong in part."""
    truth, labels = truth_of(seed), truth_of(seed)
    labels[10:30] = truth_of(seed + 100)[10:30]
    drivable = drivable_mask(labels, CAMVID.ids_of(CAMVID.drivable))
    confidence = np.random.default_rng(seed).integers(0, 256, labels.shape, np.uint8)
    return Frame(CAMVID, picture(seed // 2), labels, drivable, confidence, truth, previous=previous)


def test_frames_counted_apart_and_added_are_frames_counted_together() -> None:
    together = MetricSet(METRICS, CAMVID)
    added = MetricSet(METRICS, CAMVID)
    previous = None
    for seed in range(4):
        previous = frame(seed, previous)
        alone = MetricSet(METRICS, CAMVID)
        for metrics in (together, alone):
            metrics.update(previous)
        added.add(alone)
    undefined = {name for name, figure in together.figures().items() if figure is None}
    assert undefined == {name for name in undefined if name.endswith('_m')}  # need a camera's pose
    assert added.figures() == together.figures() != alone.figures()
    assert added.details() == together.details()
