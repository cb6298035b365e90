# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""False-drivable rate and free-space error on masks that can be counted by eye."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from seen_frames import classes, masked

from bisenet_ros.metrics import FalseDrivable, FreeSpaceError

HEIGHT = 8


def free_below(*rows: int) -> npt.NDArray[np.uint8]:
    """(8, W) mask in which column i is drivable from rows[i] down."""
    mask = np.zeros((HEIGHT, len(rows)), np.uint8)
    for column, row in enumerate(rows):
        mask[row:, column] = 255
    return mask


def everywhere(mask: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    return np.ones(mask.shape, bool)


def test_free_space_error_by_column() -> None:
    found, true = free_below(2, 4, 8, 0), free_below(4, 4, 5, 0)
    error = FreeSpaceError(classes(2))
    error.update(masked(found, true, everywhere(found)))
    assert error.mean() == (2 + 0 + 3 + 0) / 4
    assert error.overreach() == 2 / 4  # only the first column calls more free than is
    assert error.p95() == 3
    twice = FreeSpaceError(classes(2))
    twice.add(error)
    twice.add(error)
    assert (twice.mean(), twice.p95()) == (error.mean(), error.p95())


def test_a_boundary_at_a_pixel_without_truth_does_not_count() -> None:
    found, true = free_below(2, 4), free_below(4, 4)
    known = everywhere(found)
    known[3, 0] = False  # what ends the first column's free space is not known
    error = FreeSpaceError(classes(2))
    error.update(masked(found, true, known))
    assert error.mean() == 0
    nothing = FreeSpaceError(classes(2))
    nothing.update(masked(found, free_below(8, 8), np.zeros(found.shape, bool)))
    assert np.isnan([nothing.mean(), nothing.overreach(), nothing.p95()]).all()


def test_the_free_space_begins_above_the_vehicle() -> None:
    found, true = free_below(2, 4, 8, 5), free_below(4, 4, 6, 8)
    ego = np.zeros(found.shape, bool)
    ego[6:] = True
    found[ego] = true[ego] = 0  # so the third column is free nowhere in either, the last in `found`
    frame = masked(found, true, ~ego)
    error = FreeSpaceError(classes(2))
    error.update(replace(frame, ego=ego))
    assert error.mean() == (2 + 0 + 0 + 3) / 4
    assert error.overreach() == (2 + 3) / 4


def test_false_drivable_is_a_share_of_what_is_called_drivable() -> None:
    found, true = free_below(4, 4), free_below(6, 4)
    false = FalseDrivable(classes(2))
    false.update(masked(found, true, everywhere(found)))
    assert false.rate() == 2 / 8
    # Rows 4 to 7 weigh 4.5 to 7.5 of 8; false are rows 4 and 5 of one column.
    assert false.near_rate() == pytest.approx((4.5 + 5.5) / (2 * (4.5 + 5.5 + 6.5 + 7.5)))
    known = everywhere(found)
    known[4:6, 0] = False
    other = FalseDrivable(classes(2))
    other.update(masked(found, true, known))
    assert other.rate() == 0
    other.add(false)
    assert other.rate() == 2 / 14


def test_nothing_called_drivable_has_no_rate() -> None:
    nothing = free_below(HEIGHT)
    false = FalseDrivable(classes(2))
    false.update(masked(nothing, free_below(0), everywhere(nothing)))
    assert np.isnan(false.rate())
    assert np.isnan(false.near_rate())
