# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures from above: which pixel shows which place on the ground."""

from __future__ import annotations

import numpy as np
import pytest

from bisenet_ros.birds_eye import FREE_COLOR, OCCUPIED_COLOR, UNKNOWN_COLOR, birds_eye
from bisenet_ros.ground.layout import GridLayout
from bisenet_ros.ground.tables import FREE, OCCUPIED, UNKNOWN


@pytest.mark.parametrize('resolution', [0.25, 0.5])
def test_ahead_is_up_and_left_is_left_to_the_same_scale(resolution: float) -> None:
    layout = GridLayout(resolution, 30.0, 20.0, 0.3, 0.0, 1.0)
    grid = np.full(layout.shape, UNKNOWN, np.int8)
    cells = {(12.0, 4.0): OCCUPIED, (12.0, -4.0): FREE, (22.0, 8.0): FREE}  # by x and y
    for (x, y), value in cells.items():
        column, row = round(x / resolution), round((y - layout.right) / resolution)
        grid[row - 2 : row + 2, column - 2 : column + 2] = value
    height = 600  # 20 pixels per metre
    picture = birds_eye(grid, layout, height)
    assert picture.shape == (600, 400, 3)
    colors = {FREE: FREE_COLOR, OCCUPIED: OCCUPIED_COLOR}
    half = 2 * 20 * resolution
    for (x, y), value in cells.items():
        top, left = height - 20 * (x + 2 * resolution), 200 - 20 * (y + 2 * resolution)
        block = picture[int(top) : int(top + 2 * half), int(left) : int(left + 2 * half)]
        assert (block == colors[value]).all()
    painted = sum((picture == color).all(-1).sum() for color in colors.values())
    assert painted == 3 * (2 * half) ** 2
    assert tuple(picture[299, 300]) != UNKNOWN_COLOR  # the line at 15 m
    assert tuple(picture[310, 300]) == UNKNOWN_COLOR
    assert (picture[-1, 195:205] == 255).all()  # the vehicle


def test_a_title_changes_the_top_alone() -> None:
    layout = GridLayout(0.5, 30.0, 20.0, 0.3, 0.0, 1.0)
    grid = np.full(layout.shape, FREE, np.int8)
    plain, titled = birds_eye(grid, layout, 360), birds_eye(grid, layout, 360, 'found')
    changed = np.flatnonzero((plain != titled).any((1, 2)))
    assert changed.size > 0
    assert changed.max() < 30
