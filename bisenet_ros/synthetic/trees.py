# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Trees, bushes and hedges: pictures of foliage and of bare branches, lit for a drive."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from bisenet_ros.synthetic import classes
from bisenet_ros.synthetic.camera import Array
from bisenet_ros.synthetic.light import Light
from bisenet_ros.synthetic.painter import Rectangle
from bisenet_ros.synthetic.rng import Color, pick, stream
from bisenet_ros.synthetic.textures import Texture, fractal_noise
from bisenet_ros.synthetic.things import Cutout, Thing

_SIZE = 288  # pixels per side of a tree's picture


@dataclass(frozen=True)
class Foliage:
    """A picture of a plant and its outline, both (h, w) of equal size; see `Painter.cutout`."""

    texture: Texture
    shape: Texture

    def upright(self, foot: Array, width: float, height: float) -> Cutout:
        """Places it upright on a (3,) world point, facing along the street; sizes in metres."""
        origin = foot + np.array([-width / 2, -height, 0.0])
        place = Rectangle(origin, np.array([width, 0.0, 0.0]), np.array([0.0, height, 0.0]))
        return Cutout(self.texture, self.shape, place, classes.TREE)


def _leaf_tones(rng: np.random.Generator, shape: tuple[int, int], light: Light) -> Array:
    """Draws the lightness of leaves: clumps that are brighter above and on the sun's side."""
    clumps = fractal_noise(rng, shape, octaves=5, coarsest=6)
    speckle = rng.standard_normal(shape, dtype=np.float32)
    leaves = cv2.GaussianBlur(speckle, (0, 0), 0.9)
    down = cv2.Sobel(clumps, cv2.CV_32F, 0, 1, ksize=5)
    right = cv2.Sobel(clumps, cv2.CV_32F, 1, 0, ksize=5)
    sunward = np.float32(light.toward_sun[0] if light.casts_shadows else 0.0)
    slope = down - sunward * right
    slope /= max(float(slope.std()), 1e-6)
    tones: Array = 0.72 + 0.20 * slope + 0.42 * leaves + 0.1 * clumps
    return np.clip(tones, 0.22, 1.6)


def _leafy(rng: np.random.Generator, color: Color, light: Light, *, trunk: bool) -> Foliage:
    """Draws a tree in leaf, or a bush without a visible trunk."""
    size = _SIZE
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size
    bottom = 0.78 if trunk else 1.02
    mass = np.full((size, size), -1.0, np.float32)
    for _ in range(11):
        cx, cy = rng.uniform(0.27, 0.73), rng.uniform(0.24, bottom - 0.2)
        radius = rng.uniform(0.14, 0.24)
        mass = np.maximum(mass, 1 - np.hypot(x - cx, (y - cy) * 1.05) / radius)
    ragged = fractal_noise(rng, (size, size), octaves=6, coarsest=12)
    solid = mass + 0.17 * ragged
    cover = np.clip(solid * 14 + 0.5, 0, 1)
    gaps = (ragged < -1.9) & (mass < 0.5)
    cover[gaps] *= 0.25
    tones = _leaf_tones(rng, (size, size), light) * (1.08 - 0.45 * y / bottom)
    picture = np.empty((size, size, 4), np.float32)
    factors = light.ambient * 0.9 + light.sun * 0.55
    picture[..., :3] = tones[..., None] * np.array(color, np.float32) * factors
    picture[..., 3] = cover * 255
    if trunk:
        wood = np.array(pick(rng, [(52, 60, 68), (66, 70, 74)])) * factors
        half = 0.018 + 0.012 * (y - 0.6)
        lean = 0.5 + 0.02 * np.sin(y * 7 + rng.uniform(0, 6))
        stem = (np.abs(x - lean) < half) & (y > 0.5) & (cover < 0.5)
        bark = 0.8 + 0.25 * (lean - x) / half + 0.1 * ragged
        picture[stem, :3] = (bark[..., None] * wood)[stem]
        picture[stem, 3] = 255
    return _foliage(picture, picture[..., 3])


def _bare(rng: np.random.Generator, light: Light) -> Foliage:
    """Draws a tree without leaves; its outline includes the fine gaps between the twigs."""
    size, scale = _SIZE, 4  # drawn larger and reduced, so that thin twigs become a haze
    cover = np.zeros((size * scale, size * scale), np.uint8)
    branches = [(0.5, 1.0, -np.pi / 2 + rng.normal(0, 0.03), rng.uniform(0.2, 0.27), 0.026)]
    while branches:
        x, y, angle, length, width = branches.pop()
        tip = (x + length * np.cos(angle), y + length * np.sin(angle))
        ends = [(int(px * size * scale), int(py * size * scale)) for px, py in ((x, y), tip)]
        cv2.line(cover, ends[0], ends[1], 255, max(int(width * size * scale), 1))
        if length < 0.022:
            continue
        for _ in range(3 if rng.random() < 0.55 else 2):
            bend = angle + rng.normal(0, 0.48)
            bend += 0.12 * (-np.pi / 2 - bend)  # branches grow upwards
            start = rng.uniform(0.65, 1.0)
            branches.append(
                (
                    x + start * length * np.cos(angle),
                    y + start * length * np.sin(angle),
                    bend,
                    length * rng.uniform(0.62, 0.84),
                    width * rng.uniform(0.5, 0.72),
                )
            )
    alpha = cv2.resize(cover, (size, size), interpolation=cv2.INTER_AREA).astype(np.float32)
    picture = np.empty((size, size, 4), np.float32)
    wood = np.array(pick(rng, [(50, 58, 66), (60, 64, 70), (44, 54, 60)]))
    relief = 0.8 + 0.15 * fractal_noise(rng, (size, size), octaves=4, coarsest=16)
    picture[..., :3] = relief[..., None] * (wood * (light.ambient + 0.5 * light.sun))
    picture[..., 3] = np.clip(alpha * 1.25, 0, 255)
    crowd = cv2.GaussianBlur(alpha, (0, 0), 5.0)
    return _foliage(picture, np.where((crowd > 26) | (alpha > 128), 255, 0))


def _treeline(rng: np.random.Generator, color: Color, light: Light) -> Foliage:
    """Draws a row of distant trees, three times as wide as high."""
    height, width = _SIZE // 2, _SIZE * 2
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    # Rounded, adjacent crowns with ragged edges.
    crowns = np.abs(np.sin(np.cumsum(rng.uniform(0.02, 0.09, width // 8).repeat(8))))
    ragged = fractal_noise(rng, (1, width), octaves=5, coarsest=24)[0]
    top = (0.48 - 0.25 * np.sqrt(crowns) + 0.07 * ragged).astype(np.float32)
    cover = np.clip((y - top[None, :]) * 40, 0, 1)
    tones = _leaf_tones(rng, (height, width), light)
    picture = np.empty((height, width, 4), np.float32)
    factors = light.ambient * 0.85 + light.sun * 0.45
    picture[..., :3] = tones[..., None] * np.array(color, np.float32) * factors
    picture[..., 3] = cover * 255
    return _foliage(picture, picture[..., 3])


def _foliage(picture: Array, outline: Array) -> Foliage:
    to_bytes = [np.clip(a, 0, 255).astype(np.uint8) for a in (picture, outline)]
    return Foliage(Texture(to_bytes[0]), Texture(to_bytes[1]))


_GREENS: tuple[Color, ...] = ((52, 108, 88), (44, 98, 84), (62, 118, 104), (50, 92, 74))
_AUTUMN: tuple[Color, ...] = ((40, 110, 150), (46, 120, 165), (40, 84, 120), (60, 110, 110))
_EVERGREEN: tuple[Color, ...] = ((48, 78, 58), (44, 70, 56))


class Nursery:
    """The plants of a drive: a few pictures of each kind, shared by many plants."""

    def __init__(self, seed: int, light: Light, leaves: float) -> None:
        """Draws the pictures.

        Args:
            seed: The drive's seed.
            light: The scene's light.
            leaves: The season, 0 to 1: bare below 0.35, autumn below 0.5, otherwise green.
        """
        rng = stream(seed, 'nursery')
        colors = _AUTUMN if 0.35 <= leaves < 0.5 else _GREENS
        self._light = light
        if leaves < 0.35:
            self._tall = [_bare(rng, light) for _ in range(3)]
            self._tall.append(_leafy(rng, pick(rng, _EVERGREEN), light, trunk=True))
        else:
            self._tall = [_leafy(rng, pick(rng, colors), light, trunk=True) for _ in range(4)]
        leaf = pick(rng, _EVERGREEN if leaves < 0.35 else colors)
        self._bushes = [_leafy(rng, leaf, light, trunk=False) for _ in range(2)]
        far: Color = (
            (66, 74, 80) if leaves < 0.35 else (leaf[0] * 0.9, leaf[1] * 0.85, leaf[2] * 0.85)
        )
        self._line = _treeline(rng, far, light)
        relief = _leaf_tones(rng, (192, 480), light)[..., None] * np.array(leaf, np.float32)
        self.hedge_pixels = np.clip(relief, 0, 255).astype(np.uint8)

    def tree(self, foot: Array, height: float, rng: np.random.Generator) -> Thing:
        """Builds a random tree on a (3,) world point, `height` metres high."""
        foliage = self._tall[int(rng.integers(len(self._tall)))]
        width = height * rng.uniform(0.75, 1.05)
        shadows: tuple[Array, ...] = ()
        if self._light.casts_shadows:
            angles = np.linspace(0, 2 * np.pi, 14, endpoint=False)
            radius = width * rng.uniform(0.28, 0.36)
            tip = foot + np.array([0, -1, 0]) * height * 0.6
            tip = tip + height * 0.6 * self._light.shadow_reach()
            wobble = radius * rng.uniform(0.75, 1.15, 14)
            ring = np.stack((np.cos(angles), np.zeros(14), np.sin(angles)), axis=1)
            blob = tip + wobble[:, None] * ring
            side = np.array([0.15, 0.0, 0.0])
            shadows = (blob, np.array([foot - side, foot + side, tip + side, tip - side]))
        return Thing(foot, (foliage.upright(foot, width, height),), shadows)

    def bush(self, foot: Array, height: float, rng: np.random.Generator) -> Thing:
        """Builds a random bush on a (3,) world point, `height` metres high."""
        foliage = self._bushes[int(rng.integers(len(self._bushes)))]
        return Thing(foot, (foliage.upright(foot, height * rng.uniform(1.1, 1.7), height),))

    def row(self, start: Array, end: Array, height: float) -> Cutout:
        """Builds a row of distant trees between two (3,) world points, `height` metres high."""
        place = Rectangle.upright(start, end, height)
        return Cutout(self._line.texture, self._line.shape, place, classes.TREE)
