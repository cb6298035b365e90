# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Textures for surfaces, and the patterns that they are made from."""

from __future__ import annotations

from functools import cached_property, lru_cache

import cv2
import numpy as np

from bisenet_ros.synthetic.camera import Array
from bisenet_ros.synthetic.rng import Color, stream

DENSITY = 30  # texture pixels per metre of a wall


class Texture:
    """A picture with cached reductions, so that distant surfaces do not flicker.

    Each axis is reduced separately: an oblique view compresses a wall only across.

    Attributes:
        pixels: (h, w, C) or (h, w) uint8.
    """

    def __init__(self, pixels: Array) -> None:
        """Wraps a picture; its reductions are made on first use."""
        self.pixels = pixels
        self._reduced: dict[tuple[int, int], Array] = {(0, 0): pixels}

    @cached_property
    def mean(self) -> Array:
        """(C,) mean colour."""
        mean: Array = self.pixels.mean((0, 1))
        return mean

    def reduced(self, across: int, down: int) -> Array:
        """Returns the picture, its width halved `across` times, its height `down` times."""
        height, width = self.pixels.shape[:2]
        across = min(across, max(width.bit_length() - 2, 0))
        down = min(down, max(height.bit_length() - 2, 0))
        if (across, down) not in self._reduced:
            size = (max(width >> across, 1), max(height >> down, 1))
            self._reduced[across, down] = cv2.resize(
                self.pixels, size, interpolation=cv2.INTER_AREA
            )
        return self._reduced[across, down]


def fractal_noise(
    rng: np.random.Generator, shape: tuple[int, int], *, octaves: int, coarsest: int = 4
) -> Array:
    """Returns noise with detail at several scales.

    Args:
        rng: Random stream.
        shape: (rows, columns) of the result.
        octaves: Number of scales; each is half the previous one.
        coarsest: Cells per side at the largest scale.

    Returns:
        (rows, columns) float32, mean about 0, standard deviation about 1.
    """
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        cells = coarsest << octave
        grid = rng.standard_normal((min(cells, shape[0]), min(cells, shape[1])), dtype=np.float32)
        total += cv2.resize(grid, shape[::-1], interpolation=cv2.INTER_CUBIC) * 0.6**octave
    total -= total.mean()
    total /= max(float(total.std()), 1e-6)
    return total


_COURSES = {  # rows per course, columns per stone, spread of tones, lightness of the joints
    'brick': (3, 8, 0.10, 0.82),
    'stone': (10, 24, 0.08, 0.82),
    'tiles': (6, 6, 0.10, 0.74),
}


@lru_cache(maxsize=8)
def relief(material: str) -> Array:
    """Returns the relief of a wall material, the same for every drive.

    Args:
        material: 'brick', 'stone', 'tiles' or 'render'.

    Returns:
        (480, 480) float32 lightness factors around 1; it spans 16 metres and repeats.
    """
    rng = stream(0, material)
    size = 480
    surface = (1 + 0.045 * fractal_noise(rng, (size, size), octaves=6)).astype(np.float32)
    if material not in _COURSES:
        return surface
    course, length, spread, joint = _COURSES[material]
    for number, top in enumerate(range(0, size, course)):
        start = (number % 2) * (length // 2)
        tones = 1 + spread * rng.standard_normal(size // length + 2)
        line = np.repeat(tones, length)[start : start + size]
        line[(np.arange(size) + start) % length == 0] *= joint
        surface[top : top + course] *= line.astype(np.float32)
        surface[top] *= joint
    return surface


def surface(material: str, size: tuple[int, int], color: Color, shift: int) -> Array:
    """Returns a picture of a material.

    Args:
        material: See `relief`.
        size: (width, height) in texture pixels.
        color: BGR in neutral light.
        shift: Offset in the pattern, so that neighbours differ.

    Returns:
        (height, width, 3) uint8 BGR.
    """
    pattern = relief(material)
    rows = (np.arange(size[1]) + shift * 30) % pattern.shape[0]
    columns = (np.arange(size[0]) + shift * 24) % pattern.shape[1]
    tones = pattern[np.ix_(rows, columns)]
    return np.asarray(cv2.merge([cv2.convertScaleAbs(tones, alpha=level) for level in color]))
