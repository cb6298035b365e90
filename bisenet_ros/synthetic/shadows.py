# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Light and shadow on the ground."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np

from bisenet_ros.synthetic.camera import Array, Camera, clip_near
from bisenet_ros.synthetic.light import Light
from bisenet_ros.synthetic.painter import fixed_point
from bisenet_ros.synthetic.things import Thing

# Levels of the shadow map; a look-up table converts them to factors per channel.
_OPEN, _SUNLESS, _COVERED = 255, 128, 0
_COVERED_FACTOR = 0.35  # remaining light under a vehicle


def light_ground(
    ground: Array, things: Iterable[Thing], camera: Camera, light: Light, first_row: int
) -> Array:
    """Applies light and the shadows of things to the ground.

    Args:
        ground: (R, W, 3) uint8 BGR in neutral light, the image rows from `first_row` on.
        things: Things that may cast shadows.
        camera: The frame's camera.
        light: The scene's light.
        first_row: Image row of the first row of `ground`.

    Returns:
        (R, W, 3) uint8 BGR.
    """
    shade = np.full(ground.shape[:2], _OPEN, np.uint8)
    things = tuple(things)
    for thing in things:
        for shadow in thing.shadows:
            _fill(shade, shadow, camera, first_row, _SUNLESS)
    for thing in things:
        if thing.contact is not None:
            _fill(shade, thing.contact, camera, first_row, _COVERED)
    softness = max(0.8, camera.size[1] / 300)
    soft = cv2.GaussianBlur(shade, (0, 0), softness)
    upwards = np.array([[0.0, -1.0, 0.0]])
    lit = light.on(upwards)[0]
    sunless = light.ambient
    levels = np.array([_COVERED, _SUNLESS, _OPEN])
    table = np.stack(
        [
            np.interp(np.arange(256), levels, [_COVERED_FACTOR * a, a, b])
            for a, b in zip(sunless, lit, strict=True)
        ],
        axis=-1,
    )
    # Factors go up to about 1.5: scaled to bytes here, and scaled back in the product.
    peak = float(table.max())
    factors = cv2.LUT(cv2.merge([soft] * 3), np.rint(table / peak * 255).astype(np.uint8)[None])
    product: Array = cv2.multiply(ground, factors, scale=peak / 255)
    return product


def _fill(shade: Array, polygon: Array, camera: Camera, first_row: int, level: int) -> None:
    """Fills a world polygon on the ground, in a map of the image rows from `first_row` on."""
    local = clip_near(camera.to_camera(polygon))
    if len(local) < 3:
        return
    pixels = camera.to_pixels(local) - np.array([0.0, first_row])
    if pixels[:, 0].max() < 0 or pixels[:, 0].min() > shade.shape[1]:
        return
    cv2.fillConvexPoly(shade, fixed_point(pixels), level, cv2.LINE_8, 4)
