# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Flicker counts where the image is still, and only there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from seen_frames import classes, watched

from bisenet_ros.metrics import Flicker
from bisenet_ros.metrics.flicker import still_pixels


def test_what_moves_does_not_count() -> None:
    before = np.full((20, 40, 3), 100, np.uint8)
    after = before.copy()
    after[:, 20:] = 180  # the right half changes
    still = still_pixels(after, before)
    assert still[:, :19].all()
    assert not still[:, 21:].any()
    labels = np.zeros((20, 40), np.uint8)
    changed = labels.copy()
    changed[:, 20:] = 1
    flicker = Flicker(classes(2))
    flicker.update(watched(after, changed, watched(before, labels)))
    assert flicker.rate() == 0
    changed[:5, :19] = 1
    flicker = Flicker(classes(2))
    flicker.update(watched(after, changed, watched(before, labels)))
    assert flicker.rate() == 5 * 19 / still.sum()
    flicker.add(flicker)
    assert flicker.rate() == 5 * 19 / still.sum()


def test_the_vehicle_itself_does_not_count() -> None:
    image, ego = np.full((20, 40, 3), 100, np.uint8), np.zeros((20, 40), bool)
    ego[10:] = True
    labels = np.zeros((20, 40), np.uint8)
    changed = labels.copy()
    changed[:5, :20] = 1
    flicker = Flicker(classes(2))
    flicker.update(replace(watched(image, changed, watched(image, labels)), ego=ego))
    assert flicker.rate() == 0.25


def test_noise_of_a_camera_is_still() -> None:
    rng = np.random.default_rng(0)
    before = rng.integers(100, 108, (50, 50, 3), dtype=np.uint8)
    after = rng.integers(100, 108, (50, 50, 3), dtype=np.uint8)
    assert still_pixels(after, before).mean() > 0.99


def test_nothing_still_has_no_rate() -> None:
    flicker = Flicker(classes(2))
    assert np.isnan(flicker.rate())
