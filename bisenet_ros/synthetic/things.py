# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Things that stand or move in the world, and the parts that they consist of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np

from bisenet_ros.synthetic.camera import Array, Camera
from bisenet_ros.synthetic.light import Light
from bisenet_ros.synthetic.painter import Mesh, Painter, Rectangle, turned
from bisenet_ros.synthetic.rng import Color
from bisenet_ros.synthetic.textures import Texture


class Part(Protocol):
    """Something that a painter can draw."""

    def draw(self, painter: Painter) -> None:
        """Draws the part."""


@dataclass(frozen=True)
class Flat:
    """A convex polygon of one colour; see `Painter.polygon`."""

    points: Array
    color: Array
    label: int

    def draw(self, painter: Painter) -> None:
        """Draws the polygon."""
        painter.polygon(self.points, self.color, self.label)


@dataclass(frozen=True)
class Bars:
    """Round tapered bars; see `Painter.limbs`."""

    bars: Array
    radii: Array
    colors: Array
    label: int

    def draw(self, painter: Painter) -> None:
        """Draws the bars."""
        painter.limbs(self.bars, self.radii, self.colors, self.label)


@dataclass(frozen=True)
class Panel:
    """An opaque picture; see `Painter.panel`."""

    texture: Texture
    place: Rectangle
    label: int

    def draw(self, painter: Painter) -> None:
        """Draws the picture."""
        painter.panel(self.texture, self.place, self.label)


@dataclass(frozen=True)
class Cutout:
    """A picture with holes; see `Painter.cutout`."""

    texture: Texture
    shape: Texture
    place: Rectangle
    label: int

    def draw(self, painter: Painter) -> None:
        """Draws the picture."""
        painter.cutout(self.texture, self.shape, self.place, self.label)


@dataclass(frozen=True)
class Thing:
    """A thing in the world.

    Attributes:
        anchor: (3,) world point; its depth determines the drawing order.
        parts: Parts, in drawing order.
        shadows: (N, 3) world polygons on the ground without sunlight.
        contact: (N, 3) world polygon on the ground under it, without sunlight and skylight.
    """

    anchor: Array
    parts: tuple[Part, ...]
    shadows: tuple[Array, ...] = ()
    contact: Array | None = None

    def draw(self, painter: Painter) -> None:
        """Draws the parts."""
        for part in self.parts:
            part.draw(painter)


TOWARDS_EGO = (0.0, 0.0, -1.0)  # normal of surfaces that face the ego

_REACH = 14.0  # metres that a thing or its shadow may extend sideways from its anchor
_BEHIND = 3.0  # metres behind the camera at which a thing may still reach into view


def farthest_first(things: Sequence[Thing], camera: Camera) -> list[Thing]:
    """Sorts things into drawing order, and drops those that are clearly out of view."""
    local = camera.to_camera(np.stack([thing.anchor for thing in things]))
    depth = local[:, 2]
    half_view = camera.matrix[0, 2] / camera.matrix[0, 0] * depth
    seen = (depth > -_BEHIND) & (np.abs(local[:, 0]) < half_view + _REACH)
    return [things[i] for i in np.argsort(-depth, kind='stable') if seen[i]]


def lit(color: Color, normal: Sequence[float], light: Light) -> Array:
    """Applies light to a colour: (3,) BGR of a surface with a world normal."""
    shaded: Array = np.array(color) * light.on(np.array([normal], float))[0]
    return shaded


def lit_texture(pixels: Array, normal: Sequence[float], light: Light) -> Texture:
    """Applies light to a (h, w, 3 or 4) picture of a surface with a world normal."""
    factors = np.append(light.on(np.array([normal], float))[0], 1.0)
    return Texture(cv2.multiply(pixels, factors))


def cast_shadow(points: Array, light: Light) -> Array:
    """Returns the shadow of a solid on the ground.

    Args:
        points: (N, 3) world points whose convex hull is the solid.
        light: The scene's light.

    Returns:
        (M, 3) world polygon at y = 0.
    """
    heights = -points[:, 1:2]
    fallen = (points + heights * light.shadow_reach())[:, (0, 2)].astype(np.float32)
    hull = cv2.convexHull(fallen).reshape(-1, 2)
    return np.column_stack((hull[:, 0], np.zeros(len(hull)), hull[:, 1])).astype(float)


def box_corners(size: Sequence[float], at: Array, yaw: float = 0.0) -> Array:
    """Returns the corners of an upright box.

    Args:
        size: Width, height and length, metres.
        at: (3,) world point of the middle of its floor.
        yaw: Heading of its length to the right of world z, radians.

    Returns:
        (8, 3) world points: the four of the floor in a circle, then those of the top.
    """
    w, h, n = size[0] / 2, size[1], size[2] / 2
    floor = [(-w, 0, -n), (w, 0, -n), (w, 0, n), (-w, 0, n)]
    top = [(x, -h, z) for x, _, z in floor]
    corners: Array = turned(np.array(floor + top), yaw) + at
    return corners


_BOX_FACES = ((4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7))
_BOX_NORMALS = np.array([[0, -1, 0], [0, 0, -1], [1, 0, 0], [0, 0, 1], [-1, 0, 0]], float)


def box(size: Sequence[float], at: Array, color: Color, label: int, light: Light) -> Mesh:
    """Builds an upright box of one colour, its length along world z; see `box_corners`."""
    return Mesh(
        vertices=box_corners(size, at),
        faces=tuple(np.array(face) for face in _BOX_FACES),
        normals=_BOX_NORMALS,
        colors=np.array(color) * light.on(_BOX_NORMALS),
        detail=np.zeros(len(_BOX_FACES), bool),
        label=label,
    )
