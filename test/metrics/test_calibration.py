# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The calibration error against the definition, on cases that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from seen_frames import classes, labelled

from bisenet_ros.label_space import IGNORE
from bisenet_ros.metrics import Calibration


def test_half_right_at_full_confidence_is_off_by_half() -> None:
    calibration = Calibration(classes(3))
    truth = np.array([[0, 0, 1, 1]], np.uint8)
    calibration.update(labelled(np.zeros_like(truth), truth, np.full_like(truth, 255)))
    assert calibration.ece() == pytest.approx(0.5)
    assert calibration.curve() == [(1.0, 0.5, 4)]


def test_confidence_that_is_right_so_often_is_calibrated() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.integers(26, 256, (400, 500), dtype=np.uint8)
    truth = np.where(rng.random((400, 500)) < confidence / 255, 1, 2).astype(np.uint8)
    labels = np.ones_like(truth)
    calibration = Calibration(classes(3))
    calibration.update(labelled(labels[:200], truth[:200], confidence[:200]))
    other = Calibration(classes(3))
    other.update(labelled(labels[200:], truth[200:], confidence[200:]))
    calibration.add(other)
    assert sum(bin.pixels for bin in calibration.curve()) == confidence.size
    assert calibration.ece() < 0.01
    # Every bin of 15 that can be reached, each with its own mean inside.
    confidences = [bin.confidence for bin in calibration.curve()]
    assert [int(value * 14.999) for value in confidences] == list(range(1, 15))


def test_what_has_no_truth_or_no_label_does_not_count() -> None:
    calibration = Calibration(classes(3))
    labels = np.array([[0, IGNORE]], np.uint8)
    truth = np.array([[IGNORE, 0]], np.uint8)
    calibration.update(labelled(labels, truth, np.full_like(labels, 200)))
    assert np.isnan(calibration.ece())
    assert calibration.curve() == []
