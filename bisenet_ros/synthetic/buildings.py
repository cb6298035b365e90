# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Buildings: painted fronts, with walls, roofs and chimneys."""

from __future__ import annotations

import numpy as np

from bisenet_ros.synthetic import classes
from bisenet_ros.synthetic.camera import Array
from bisenet_ros.synthetic.facades import Wall, make_wall, paint_front
from bisenet_ros.synthetic.light import Light
from bisenet_ros.synthetic.painter import Rectangle
from bisenet_ros.synthetic.rng import Color, pick
from bisenet_ros.synthetic.street import Centreline
from bisenet_ros.synthetic.textures import DENSITY, surface
from bisenet_ros.synthetic.things import (
    TOWARDS_EGO,
    Flat,
    Panel,
    Part,
    Thing,
    box,
    cast_shadow,
    lit,
    lit_texture,
)

_TILES: tuple[Color, ...] = ((72, 76, 84), (62, 78, 112), (82, 84, 88), (58, 64, 84), (96, 96, 98))
_ROOFS = {'shop': 0.55, 'terrace': 0.9, 'house': 1.0, 'office': 0.08}  # chance of a pitched roof


def _eaves_height(kind: str, rng: np.random.Generator) -> float:
    """Draws the height of a building up to the eaves, metres."""
    if kind == 'shop':
        return 3.6 + 2.8 * int(rng.choice([1, 2, 3], p=[0.25, 0.5, 0.25]))
    if kind == 'terrace':
        return 0.4 + 2.8 * int(rng.choice([2, 3], p=[0.7, 0.3]))
    if kind == 'office':
        return 0.6 + 3.3 * int(rng.integers(3, 7))
    return 5.6


class _Outline:
    """The corners of a building whose front follows the street, metres."""

    def __init__(
        self, line: Centreline, side: int, span: tuple[float, float], front: float, depth: float
    ) -> None:
        self.side = side
        near, far = span
        self.near, self.far = line.point(near, side * front), line.point(far, side * front)
        self.inwards = np.array([side * depth, 0.0, 0.0])

    @property
    def street_normal(self) -> tuple[float, float, float]:
        """Normal of the front."""
        along = (self.far - self.near) / np.linalg.norm(self.far - self.near)
        return float(-self.side * along[2]), 0.0, float(self.side * along[0])

    def front(self, height: float) -> Rectangle:
        """Returns the front; its left edge is on the left as seen from the street."""
        left, right = (self.near, self.far) if self.side < 0 else (self.far, self.near)
        return Rectangle.upright(left, right, height)

    def flank(self, height: float) -> Rectangle:
        """Returns the wall at the near end; its left edge is on the left as seen from the ego."""
        inner, outer = self.near, self.near + self.inwards
        left, right = (outer, inner) if self.side < 0 else (inner, outer)
        return Rectangle.upright(left, right, height)


def make_building(
    kind: str,
    line: Centreline,
    side: int,
    span: tuple[float, float],
    front: float,
    rng: np.random.Generator,
    light: Light,
) -> Thing:
    """Builds a random building.

    Args:
        kind: 'shop', 'terrace', 'house' or 'office'.
        line: The street's centre line.
        side: Side of the street.
        span: `s` of its near and far ends, metres.
        front: Distance of its front from the centre line, metres.
        rng: The building's random stream.
        light: The scene's light.
    """
    height, depth = _eaves_height(kind, rng), float(rng.uniform(8, 12))
    outline = _Outline(line, side, span, front, depth)
    wall = make_wall(rng, kind)
    width = float(np.linalg.norm(outline.far - outline.near))
    pixels = paint_front(kind, wall, width, height, rng)
    parts: list[Part] = []
    ridge = 0.0
    if rng.random() < _ROOFS[kind]:
        ridge = depth / 2 * rng.uniform(0.5, 0.95)
        parts += _pitched_roof(outline, wall, height, ridge, depth, rng, light)
    flank_size = (int(depth * DENSITY), int(height * DENSITY))
    flank = surface(wall.material, flank_size, wall.color, int(rng.integers(16)))
    if rng.random() < 0.35:
        flank = paint_front('office' if kind == 'office' else 'terrace', wall, depth, height, rng)
    parts.append(
        Panel(lit_texture(flank, TOWARDS_EGO, light), outline.flank(height), classes.BUILDING)
    )
    parts.append(
        Panel(
            lit_texture(pixels, outline.street_normal, light),
            outline.front(height),
            classes.BUILDING,
        )
    )
    shadows: tuple[Array, ...] = ()
    if light.casts_shadows:
        floor = np.stack((outline.near, outline.far, outline.far + outline.inwards))
        floor = np.concatenate((floor, [outline.near + outline.inwards]))
        middle = (floor[:2] + floor[2:][::-1]) / 2 - [0, height + ridge, 0]
        shadows = (cast_shadow(np.concatenate((floor, floor - [0, height, 0], middle)), light),)
    return Thing(outline.far, tuple(parts), shadows)


def _pitched_roof(
    outline: _Outline,
    wall: Wall,
    height: float,
    ridge: float,
    depth: float,
    rng: np.random.Generator,
    light: Light,
) -> list[Part]:
    """Builds the slope towards the street, the gable at the near end, and chimneys on the ridge."""
    side, half = outline.side, outline.inwards / 2
    slope = np.hypot(ridge, depth / 2)
    eaves = outline.front(height)
    to_ridge = half - [0, ridge, 0]
    width = float(np.linalg.norm(eaves.across))
    tiles = surface(
        'tiles',
        (int(width * DENSITY), int(slope * DENSITY)),
        pick(rng, _TILES),
        int(rng.integers(16)),
    )
    normal = (-side * ridge / slope, -depth / 2 / slope, 0.0)
    place = Rectangle(eaves.origin + to_ridge, eaves.across, -to_ridge)
    top = outline.near - [0, height, 0]
    gable = np.stack((top, top + outline.inwards, top + to_ridge))
    parts: list[Part] = [
        Flat(gable, lit(wall.color, TOWARDS_EGO, light), classes.BUILDING),
        Panel(lit_texture(tiles, normal, light), place, classes.BUILDING),
    ]
    for share in (0.06, 0.94):
        if rng.random() < 0.55:
            foot = (
                outline.near
                + share * (outline.far - outline.near)
                + half
                - [0, height + ridge - 0.8, 0]
            )
            size = (0.7, rng.uniform(1.5, 2.3), rng.uniform(0.8, 1.6))
            parts.insert(0, box(size, foot, wall.color, classes.BUILDING, light))
    return parts


def background_block(
    near: Array, far: Array, side: int, rng: np.random.Generator, light: Light
) -> Panel:
    """Builds a plain building in the second row, between two (3,) world points on the ground."""
    height, width = float(rng.uniform(6, 15)), float(np.linalg.norm(far - near))
    kind = 'office' if rng.random() < 0.4 else 'terrace'
    pixels = paint_front(kind, make_wall(rng, kind), width, height, rng)
    texture = lit_texture(pixels, (-float(side), 0.0, 0.0), light)
    return Panel(texture, Rectangle.upright(near, far, height), classes.BUILDING)
