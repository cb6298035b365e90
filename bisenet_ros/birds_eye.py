# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Draws a grid of the ground as seen from above, with the vehicle at the bottom."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from bisenet_ros.ground.layout import GridLayout
from bisenet_ros.ground.tables import FREE, OCCUPIED

FREE_COLOR, OCCUPIED_COLOR, UNKNOWN_COLOR = (96, 160, 80), (48, 48, 224), (56, 56, 56)
"""BGR."""

_LINE_COLOR, _TEXT_COLOR, _VEHICLE_COLOR = (150, 150, 150), (235, 235, 235), (255, 255, 255)
_LINES = 5.0
"""Metres between the lines of equal distance."""


def birds_eye(
    grid: npt.NDArray[np.int8], layout: GridLayout, height: int, title: str = ''
) -> npt.NDArray[np.uint8]:
    """Draws a grid with x up, y to the left, and lines every 5 metres.

    Args:
        grid: (rows, columns) as `GroundTables.grid` gives it.
        layout: Layout of the grid.
        height: Height of the picture in pixels; the width keeps the grid's aspect ratio.
        title: Text at the top.

    Returns:
        (height, W, 3) BGR.
    """
    across, ahead = grid.shape
    scale = height / ahead  # pixels per cell
    width = max(1, round(across * scale))
    colors = np.full((*grid.shape, 3), UNKNOWN_COLOR, np.uint8)
    colors[grid == FREE] = FREE_COLOR
    colors[grid == OCCUPIED] = OCCUPIED_COLOR
    seen = np.ascontiguousarray(colors.transpose(1, 0, 2)[::-1, ::-1])  # (ahead, across, 3)
    picture = np.asarray(
        cv2.resize(seen, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8
    )
    metre = scale / layout.resolution
    size, thickness = max(0.3, height / 900), max(1, height // 500)
    font = cv2.FONT_HERSHEY_SIMPLEX
    for distance in np.arange(_LINES, ahead * layout.resolution - _LINES / 4, _LINES).tolist():
        row = height - 1 - round(distance * metre)
        picture[row] = cv2.addWeighted(
            picture[row], 0.6, np.full_like(picture[row], _LINE_COLOR), 0.4, 0
        )
        place = 3, row - 3
        cv2.putText(picture, f'{distance:g} m', place, font, size, _TEXT_COLOR, 1, cv2.LINE_AA)
    middle, side = width // 2, max(4, height // 45)
    vehicle = [
        (middle, height - 1 - 2 * side),
        (middle - side, height),
        (middle + side, height),
    ]
    cv2.fillPoly(picture, [np.array(vehicle, np.int32)], _VEHICLE_COLOR, cv2.LINE_AA)
    if title:
        place = 3, round(35 * size)
        size *= 1.2
        cv2.putText(picture, title, place, font, size, _TEXT_COLOR, thickness, cv2.LINE_AA)
    return picture
