# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pedestrians and cyclists: figures of round limbs, posed in three dimensions.

Figure frame: x right, y down, z ahead, origin on the ground below the figure.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from bisenet_ros.synthetic import classes
from bisenet_ros.synthetic.camera import Array
from bisenet_ros.synthetic.light import Light
from bisenet_ros.synthetic.painter import turned
from bisenet_ros.synthetic.rng import Color, pick
from bisenet_ros.synthetic.things import Bars, Thing, box_corners, cast_shadow

_SKINS: tuple[Color, ...] = ((140, 168, 205), (120, 150, 190), (80, 105, 145), (55, 70, 98))
_HAIR: tuple[Color, ...] = (
    (30, 36, 44),
    (40, 60, 84),
    (26, 26, 28),
    (90, 130, 160),
    (120, 122, 124),
)
_TOPS: tuple[Color, ...] = (
    (44, 42, 42),
    (70, 52, 40),
    (40, 40, 130),
    (120, 90, 60),
    (66, 84, 72),
    (160, 160, 165),
    (60, 60, 66),
    (80, 130, 160),
    (110, 70, 110),
    (205, 205, 208),
)
_LEGS: tuple[Color, ...] = ((92, 66, 48), (44, 42, 42), (60, 62, 66), (80, 92, 110), (36, 36, 40))
_VESTS: tuple[Color, ...] = ((60, 230, 215), (40, 110, 240))


@dataclass(frozen=True)
class Outfit:
    """Appearance of a person; colours are BGR in neutral light.

    Attributes:
        height: Metres.
        build: Width factor around 1.
        skin, hair, top, legs, shoes: Colours.
        coat: Whether the top reaches down to the knees.
        bag: Whether a bag hangs from the right hand.
    """

    height: float
    build: float
    skin: Color
    hair: Color
    top: Color
    legs: Color
    shoes: Color
    coat: bool
    bag: bool


def make_outfit(rng: np.random.Generator, *, bright: float = 0.05) -> Outfit:
    """Draws a random outfit; `bright` is the probability of a bright vest."""
    return Outfit(
        height=float(np.clip(rng.normal(1.70, 0.1), 1.15, 1.95)),
        build=float(rng.uniform(0.9, 1.2)),
        skin=pick(rng, _SKINS),
        hair=pick(rng, _HAIR),
        top=pick(rng, _VESTS if rng.random() < bright else _TOPS),
        legs=pick(rng, _LEGS),
        shoes=pick(rng, ((34, 34, 36), (60, 70, 84), (180, 180, 182))),
        coat=bool(rng.random() < 0.3),
        bag=bool(rng.random() < 0.25),
    )


class _Figure:
    """Collects limbs in the figure's frame; heights are positive upwards."""

    def __init__(self) -> None:
        self.bars: list[tuple[Array, Array]] = []
        self.radii: list[tuple[float, float]] = []
        self.colors: list[Color] = []

    def limb(self, start: Array, end: Array, radii: tuple[float, float], color: Color) -> None:
        """Adds a limb between two points (x, height, z)."""
        self.bars.append((start, end))
        self.radii.append(radii)
        self.colors.append(color)

    def placed(self, at: Array, yaw: float, label: int, light: Light, scale: float = 1.0) -> Bars:
        """Places the figure on a (3,) world point, heading `yaw` to the right of world z."""
        points = np.array(self.bars).reshape(-1, 3) * np.array([scale, -scale, scale])
        factors = light.ambient * 0.88 + light.sun * 0.5
        return Bars(
            bars=(turned(points, yaw) + at).reshape(-1, 2, 3),
            radii=np.array(self.radii) * scale,
            colors=np.array(self.colors) * factors,
            label=label,
        )


def _p(x: float, height: float, z: float) -> Array:
    return np.array([x, height, z])


def _dim(color: Color, factor: float) -> Color:
    return color[0] * factor, color[1] * factor, color[2] * factor


def _upper_body(f: _Figure, o: Outfit, hip: Array, neck: Array, hands: tuple[Array, Array]) -> None:
    """Adds torso, head and arms for a hip point and a neck point, with elbows that hang down."""
    b = o.build
    across = _p(1.0, 0, 0)
    for side in (-1, 1):
        shoulder = neck + side * 0.17 * b * across - _p(0, 0.07, 0)
        waist = hip + side * 0.10 * b * across
        f.limb(shoulder, waist, (0.085 * b, 0.10 * b), _dim(o.top, 0.92 if side < 0 else 1.05))
    f.limb(neck - _p(0, 0.12, 0), hip, (0.13 * b, 0.12 * b), o.top)
    for side, hand in zip((-1, 1), hands, strict=True):
        shoulder = neck + side * 0.2 * b * across - _p(0, 0.05, 0)
        elbow = (shoulder + hand) / 2 + _p(side * 0.05, -0.05, -0.05)
        f.limb(shoulder, elbow, (0.06 * b, 0.05 * b), _dim(o.top, 0.85))
        f.limb(elbow, hand, (0.05 * b, 0.042), _dim(o.top, 0.85))
        f.limb(hand, hand - _p(0, 0.05, 0), (0.04, 0.035), o.skin)
    f.limb(neck - _p(0, 0.04, 0), neck + _p(0, 0.08, 0), (0.055, 0.05), o.skin)
    head = neck + _p(0, 0.18, 0.02)
    f.limb(head - _p(0, 0.03, 0), head + _p(0, 0.03, 0), (0.085, 0.10), o.skin)
    f.limb(head + _p(0, 0.02, -0.035), head + _p(0, 0.07, -0.03), (0.10, 0.09), o.hair)


def pedestrian(o: Outfit, at: Array, yaw: float, stride: float, light: Light) -> Thing:
    """Builds a walking person.

    Args:
        o: Outfit of the person.
        at: (3,) world point on the ground.
        yaw: Heading to the right of world z, radians.
        stride: Phase of the walk, radians.
        light: The scene's light.
    """
    f = _Figure()
    swing = np.sin(stride)
    hip, neck = _p(0, 0.92, 0), _p(0, 1.44, 0.02)
    legs = sorted((-1, 1), key=lambda side: -side * np.sin(yaw))  # draw the far leg first
    for side in legs:
        step = side * swing
        lift = 0.08 * max(0.0, -side * float(np.cos(stride)))
        hip_joint = hip + _p(side * 0.09, 0, 0)
        foot = _p(side * 0.09, 0.06 + lift, 0.33 * step)
        knee = (hip_joint + foot) / 2 + _p(0, 0.02, 0.05 + 0.5 * lift)
        tone = 0.85 if side == legs[0] else 1.0
        f.limb(hip_joint, knee, (0.088 * o.build, 0.065), _dim(o.legs, tone))
        f.limb(knee, foot + _p(0, 0.04, 0), (0.062, 0.048), _dim(o.legs, tone))
        f.limb(foot, foot + _p(0, -0.02, 0.14), (0.045, 0.035), o.shoes)
    if o.coat:
        for side in (-1, 1):
            hem = _p(side * 0.10, 0.55, 0.05 * side * swing)
            f.limb(hip + _p(side * 0.06, 0.05, 0), hem, (0.12 * o.build, 0.13), _dim(o.top, 0.93))
    hands = (_p(-0.26, 0.86, 0.26 * swing), _p(0.26, 0.86, -0.26 * swing))
    _upper_body(f, o, hip, neck, hands)
    if o.bag:
        f.limb(hands[1] - _p(0, 0.12, 0), hands[1] - _p(0, 0.3, 0), (0.10, 0.11), _dim(o.legs, 0.7))
    figure = f.placed(at, yaw, classes.PEDESTRIAN, light, o.height / 1.75)
    return _standing(figure, at, (0.4, o.height, 0.3), yaw, light)


def cyclist(o: Outfit, frame: Color, at: Array, yaw: float, crank: float, light: Light) -> Thing:
    """Builds a person on a bicycle.

    Args:
        o: Outfit of the person.
        frame: Colour of the bicycle.
        at: (3,) world point on the ground below the bicycle's middle.
        yaw: Heading to the right of world z, radians.
        crank: Angle of the pedals, radians.
        light: The scene's light.
    """
    f = _Figure()
    rubber: Color = (32, 32, 34)
    for centre in (-0.52, 0.52):  # wheels: rings of short tubes
        angles = np.linspace(0, 2 * np.pi, 15)
        ring = [_p(0, 0.34 + 0.33 * np.sin(a), centre + 0.33 * np.cos(a)) for a in angles]
        for a, b in pairwise(ring):
            f.limb(a, b, (0.022, 0.022), rubber)
    axle, hub, seat, head = (
        _p(0, 0.3, -0.05),
        _p(0, 0.34, -0.52),
        _p(0, 0.92, -0.25),
        _p(0, 0.9, 0.38),
    )
    for a, b in (
        (axle, seat),
        (seat, head),
        (axle, head),
        (axle, hub),
        (hub, seat - _p(0, 0.1, 0)),
    ):
        f.limb(a, b, (0.022, 0.022), frame)
    f.limb(head + _p(0, 0.1, 0), _p(0, 0.34, 0.52), (0.02, 0.02), frame)
    f.limb(_p(-0.26, 1.02, 0.36), _p(0.26, 1.02, 0.36), (0.02, 0.02), rubber)
    f.limb(_p(0, 0.95, -0.36), _p(0, 0.95, -0.14), (0.06, 0.03), rubber)
    hip = _p(0, 1.02, -0.22)
    for side in (-1, 1):
        angle = crank + (0 if side < 0 else np.pi)
        foot = axle + _p(side * 0.1, 0.17 * np.sin(angle), 0.17 * np.cos(angle))
        knee = (hip + foot) / 2 + _p(side * 0.03, 0.08, 0.22)
        f.limb(hip + _p(side * 0.09, 0, 0), knee, (0.085 * o.build, 0.065), o.legs)
        f.limb(knee, foot, (0.06, 0.045), _dim(o.legs, 0.9))
        f.limb(foot, foot + _p(0, -0.01, 0.13), (0.045, 0.035), o.shoes)
    hands = (_p(-0.25, 1.05, 0.34), _p(0.25, 1.05, 0.34))
    _upper_body(f, o, hip, _p(0, 1.5, 0.1), hands)
    figure = f.placed(at, yaw, classes.BICYCLIST, light, o.height / 1.75)
    return _standing(figure, at, (0.22, o.height, 1.3), yaw, light)


def _standing(
    figure: Bars, at: Array, size: tuple[float, float, float], yaw: float, light: Light
) -> Thing:
    corners = box_corners(size, at, yaw)
    shadows = (cast_shadow(corners, light),) if light.casts_shadows else ()
    return Thing(at, (figure,), shadows, box_corners((size[0], 0.0, size[2]), at, yaw)[:4])
