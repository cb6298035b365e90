# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cars, vans and buses, built from a side profile.

Vehicle frame: x right, y down, z ahead, origin on the ground below the vehicle's middle. Profiles
are `(z, height)` in metres, from the rear over the top to the front.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from bisenet_ros.synthetic import classes
from bisenet_ros.synthetic.camera import Array
from bisenet_ros.synthetic.light import Light
from bisenet_ros.synthetic.painter import Mesh, turned
from bisenet_ros.synthetic.rng import Color, pick
from bisenet_ros.synthetic.things import Thing, box_corners, cast_shadow

Point = tuple[float, float, float]

_GLASS: Color = (46, 42, 38)
_TYRE: Color = (34, 34, 36)
_RIM: Color = (138, 138, 140)
_BLACK: Color = (30, 30, 31)
_PAINTS: tuple[Color, ...] = (
    (178, 178, 180),
    (140, 142, 144),
    (52, 50, 50),
    (34, 33, 34),
    (215, 216, 218),
    (96, 62, 38),
    (120, 70, 36),
    (38, 34, 140),
    (30, 28, 105),
    (58, 78, 40),
    (110, 112, 100),
    (92, 100, 106),
    (60, 58, 58),
)


@dataclass(frozen=True)
class Shape:
    """The shape of a kind of vehicle, metres.

    Attributes:
        width: Width of the body.
        body: Profile of the lower body.
        cabin: Profile of the cabin on the body; the first and last points lie on the body.
        taper: How much each side of the cabin leans in at its top.
        wheels: z of the axles.
        wheel: Radius of a wheel.
        windows: Pairs of z between which the sides have glass, at half the cabin's height.
    """

    width: float
    body: tuple[tuple[float, float], ...]
    cabin: tuple[tuple[float, float], ...]
    taper: float
    wheels: tuple[float, float]
    wheel: float
    windows: tuple[tuple[float, float], ...]

    @property
    def length(self) -> float:
        """Length from bumper to bumper."""
        return self.body[-1][0] - self.body[0][0]

    @property
    def height(self) -> float:
        """Height from ground to roof."""
        return max(h for _, h in self.cabin)


HATCHBACK = Shape(
    width=1.72,
    body=(
        (-1.95, 0.28),
        (-1.98, 0.55),
        (-1.9, 0.94),
        (0.72, 0.95),
        (1.62, 0.78),
        (1.92, 0.6),
        (1.95, 0.26),
    ),
    cabin=((-1.86, 0.94), (-1.52, 1.4), (-1.1, 1.48), (-0.1, 1.46), (0.8, 0.94)),
    taper=0.26,
    wheels=(-1.22, 1.2),
    wheel=0.31,
    windows=((-1.45, -0.58), (-0.5, 0.3)),
)
SALOON = Shape(
    width=1.78,
    body=(
        (-2.25, 0.28),
        (-2.3, 0.6),
        (-2.2, 0.95),
        (0.85, 0.94),
        (1.95, 0.78),
        (2.22, 0.6),
        (2.25, 0.26),
    ),
    cabin=((-1.75, 0.95), (-1.15, 1.38), (-0.8, 1.44), (0.05, 1.42), (0.95, 0.93)),
    taper=0.3,
    wheels=(-1.35, 1.38),
    wheel=0.32,
    windows=((-1.22, -0.42), (-0.34, 0.42)),
)
ESTATE = Shape(
    width=1.85,
    body=(
        (-2.2, 0.32),
        (-2.24, 0.65),
        (-2.16, 1.02),
        (0.75, 1.02),
        (1.8, 0.9),
        (2.15, 0.72),
        (2.2, 0.3),
    ),
    cabin=((-2.12, 1.02), (-1.9, 1.58), (-1.5, 1.68), (-0.1, 1.66), (0.85, 1.02)),
    taper=0.24,
    wheels=(-1.35, 1.35),
    wheel=0.36,
    windows=((-1.9, -1.2), (-1.12, -0.42), (-0.34, 0.35)),
)
VAN = Shape(
    width=1.98,
    body=(
        (-2.5, 0.35),
        (-2.55, 0.6),
        (-2.52, 1.1),
        (1.75, 1.12),
        (2.3, 0.95),
        (2.5, 0.7),
        (2.52, 0.32),
    ),
    cabin=((-2.5, 1.1), (-2.46, 2.1), (-2.2, 2.2), (1.0, 2.15), (1.85, 1.12)),
    taper=0.16,
    wheels=(-1.6, 1.6),
    wheel=0.34,
    windows=((0.35, 1.2),),
)
BUS = Shape(
    width=2.5,
    body=((-5.4, 0.35), (-5.45, 0.7), (-5.42, 1.25), (5.4, 1.25), (5.44, 0.7), (5.4, 0.3)),
    cabin=((-5.42, 1.25), (-5.38, 2.85), (-5.1, 3.0), (5.1, 3.0), (5.4, 1.25)),
    taper=0.08,
    wheels=(-3.0, 3.4),
    wheel=0.48,
    windows=tuple((z, z + 1.25) for z in np.arange(-5.1, 4.3, 1.4).tolist()),
)
DOUBLE_DECKER = Shape(
    width=2.5,
    body=((-5.0, 0.35), (-5.05, 1.0), (-5.04, 2.3), (5.0, 2.3), (5.04, 0.8), (5.0, 0.3)),
    cabin=((-5.04, 2.3), (-5.0, 4.1), (-4.8, 4.3), (4.8, 4.3), (5.0, 2.3)),
    taper=0.08,
    wheels=(-2.8, 3.2),
    wheel=0.48,
    windows=tuple((z, z + 1.25) for z in np.arange(-4.7, 4.0, 1.4).tolist()),
)
_CARS = (HATCHBACK, SALOON, ESTATE, HATCHBACK)


class _Builder:
    """Collects the faces of a vehicle in its own frame."""

    def __init__(self) -> None:
        self.vertices: list[list[float]] = []
        self.faces: list[Array] = []
        self.normals: list[Array] = []
        self.colors: list[Color] = []
        self.gloss: list[float] = []
        self.detail: list[bool] = []

    def face(
        self,
        points: list[Point],
        outward: Point,
        color: Color,
        *,
        gloss: float = 0.0,
        detail: bool = False,
    ) -> None:
        """Adds a face of points (x, height, z); `outward` determines the sign of its normal."""
        corners = np.array([(x, -h, z) for x, h, z in points])
        normal = np.cross(corners[1] - corners[0], corners[2] - corners[0])
        normal = normal / max(float(np.linalg.norm(normal)), 1e-9)
        if normal @ np.array([outward[0], -outward[1], outward[2]]) < 0:
            normal = -normal
        first = len(self.vertices)
        self.vertices.extend(corners.tolist())
        self.faces.append(np.arange(first, first + len(points)))
        self.normals.append(normal)
        self.colors.append(color)
        self.gloss.append(gloss)
        self.detail.append(detail)


def _underside(b: _Builder, shape: Shape) -> None:
    """Adds the dark space under the body, which is visible between the wheels."""
    half, back, front = shape.width / 2 - 0.12, shape.body[0][0] + 0.1, shape.body[-1][0] - 0.1
    low, high = 0.14, shape.body[0][1] + 0.02
    for z, out in ((back, -1.0), (front, 1.0)):
        b.face(
            [(-half, low, z), (half, low, z), (half, high, z), (-half, high, z)],
            (0, 0, out),
            _BLACK,
        )
    for x in (-half, half):
        b.face(
            [(x, low, back), (x, low, front), (x, high, front), (x, high, back)], (x, 0, 0), _BLACK
        )
    for z in shape.wheels:  # tyres as seen from the rear and the front
        for side in (-1, 1):
            outer, inner = side * (shape.width / 2 - 0.02), side * (shape.width / 2 - 0.22)
            top, r = shape.wheel * 1.3, shape.wheel * 0.85
            for end, out in ((z - r, -1.0), (z + r, 1.0)):
                tyre = [(inner, 0.0, end), (outer, 0.0, end), (outer, top, end), (inner, top, end)]
                b.face(tyre, (0, 0, out), _TYRE)


def _strips(b: _Builder, profile: list[Point], paint: Color) -> None:
    """Adds the surface between the two sides; profile points are (z, height, half width)."""
    for (z0, h0, w0), (z1, h1, w1) in pairwise(profile):
        outward = (0.0, 1.0, 0.0) if abs(z1 - z0) > abs(h1 - h0) else (0.0, 0.0, z0 + z1)
        strip = [(-w0, h0, z0), (w0, h0, z0), (w1, h1, z1), (-w1, h1, z1)]
        b.face(strip, outward, paint, gloss=0.12)


def _glass_pane(b: _Builder, low: Point, high: Point) -> None:
    """Adds a window in the strip between two profile points (z, height, half width)."""
    rows = []
    for share in (0.12, 0.9):
        z, h, w = (a + (c - a) * share for a, c in zip(low, high, strict=True))
        rows.append((w - 0.09, h, z))
    (w0, h0, z0), (w1, h1, z1) = rows
    pane = [(-w0, h0, z0), (w0, h0, z0), (w1, h1, z1), (-w1, h1, z1)]
    b.face(pane, (0, 0.3, low[0]), _GLASS, gloss=0.22)


def _sides(b: _Builder, shape: Shape, paint: Color) -> None:
    half, roof, belt = shape.width / 2, shape.height, shape.body[2][1]
    for side in (-1, 1):
        x, out = side * half, (float(side), 0.0, 0.0)
        b.face([(x, h, z) for z, h in shape.body], out, paint, gloss=0.05)
        _side_bands(b, shape, side, paint)
        top = side * (half - shape.taper)

        def lean(h: float, x: float = x, top: float = top) -> float:
            return x + (top - x) * (h - belt) / (roof - belt)

        b.face(
            [(lean(h), h, z) for z, h in shape.cabin], (float(side), 0.4, 0.0), paint, gloss=0.05
        )
        low, high = belt + 0.06, belt + (roof - belt) * 0.84
        lead = (shape.cabin[-1][0] - shape.cabin[-2][0]) * 0.42
        for start, end in shape.windows:
            first = (start, end) == shape.windows[0]
            last = (start, end) == shape.windows[-1]
            slant = lead if last else 0.0
            tail = 0.18 if first else 0.0
            pane = [(start - tail, low), (end + slant, low), (end - 0.1, high), (start, high)]
            b.face(
                [(lean(h) + side * 0.005, h, z) for z, h in pane],
                (float(side), 0.4, 0.0),
                _GLASS,
                gloss=0.18,
            )
        _wheels(b, shape, side)


def _side_bands(b: _Builder, shape: Shape, side: int, paint: Color) -> None:
    """Adds the shading of a side (sky on the shoulder, road on the lower half) and door gaps."""
    x, belt = side * (shape.width / 2 + 0.002), shape.body[2][1]
    back, front = shape.body[2][0] + 0.05, shape.body[3][0]
    dark = (paint[0] * 0.45, paint[1] * 0.45, paint[2] * 0.45)
    shade = (paint[0] * 0.78, paint[1] * 0.78, paint[2] * 0.78)
    bottom = shape.body[0][1]
    middle = bottom + 0.45 * (belt - bottom)

    def band(z0: float, z1: float, h0: float, h1: float, color: Color, gloss: float) -> None:
        points = [(x, h0, z0), (x, h0, z1), (x, h1, z1), (x, h1, z0)]
        b.face(points, (float(side), 0.0, 0.0), color, gloss=gloss, detail=True)

    band(back, front + 0.2, belt - 0.13, belt - 0.01, paint, 0.28)
    band(shape.body[0][0] + 0.02, shape.body[-1][0] - 0.02, bottom, middle, shade, 0.0)
    band(shape.body[0][0] + 0.02, shape.body[-1][0] - 0.02, bottom, bottom + 0.14, dark, 0.0)
    for z in {z for window in shape.windows for z in window}:
        if shape.wheels[0] < z < shape.wheels[1]:
            band(z, z + 0.025, bottom + 0.14, belt, dark, 0.0)


def _wheels(b: _Builder, shape: Shape, side: int) -> None:
    """Adds arches, tyres and rims on a side."""
    x = side * (shape.width / 2 + 0.01)
    angles = np.linspace(0, 2 * np.pi, 14, endpoint=False)
    discs = ((1.18, _BLACK, False), (1.0, _TYRE, False), (0.64, _RIM, True), (0.2, _BLACK, True))
    for z in shape.wheels:
        for size, color, detail in discs:
            rise, run = shape.wheel * size * np.sin(angles), shape.wheel * size * np.cos(angles)
            heights = np.maximum(shape.wheel + rise, 0.0)
            points = [(x, float(h), float(z + r)) for h, r in zip(heights, run, strict=True)]
            b.face(points, (float(side), 0.0, 0.0), color, detail=detail)


def _ends(b: _Builder, shape: Shape, lights_on: bool) -> None:
    """Adds lamps, number plates, grille and bumpers."""
    half = shape.width / 2
    back, front = shape.body[0][0] - 0.06, shape.body[-1][0] + 0.01
    tail_low, tail_high = shape.body[1][1] + 0.05, shape.body[2][1] - 0.06
    red: Color = (60, 50, 255) if lights_on else (38, 30, 165)
    white: Color = (250, 255, 255) if lights_on else (205, 208, 210)
    nose = shape.body[-2][1]

    def rear(x0: float, x1: float, h0: float, h1: float, color: Color, gloss: float = 0.0) -> None:
        z0, z1 = back - 0.01, shape.body[2][0] - 0.02
        b.face(
            [(x0, h0, z0), (x1, h0, z0), (x1, h1, z1), (x0, h1, z1)],
            (0, 0, -1),
            color,
            gloss=gloss,
            detail=True,
        )

    def ahead(x0: float, x1: float, h0: float, h1: float, color: Color, gloss: float = 0.0) -> None:
        b.face(
            [(x0, h0, front), (x1, h0, front), (x1, h1, front - 0.03), (x0, h1, front - 0.03)],
            (0, 0, 1),
            color,
            gloss=gloss,
            detail=True,
        )

    rear(-half + 0.02, half - 0.02, shape.body[0][1], shape.body[0][1] + 0.14, _BLACK)
    ahead(-half + 0.02, half - 0.02, shape.body[-1][1], shape.body[-1][1] + 0.14, _BLACK)
    for side in (-1, 1):
        rear(side * half * 0.72, side * (half - 0.03), tail_low, tail_high, red, gloss=0.1)
        ahead(side * half * 0.55, side * (half - 0.05), nose - 0.12, nose + 0.04, white, gloss=0.2)
    ahead(-half * 0.45, half * 0.45, nose - 0.12, nose + 0.0, _BLACK)
    rear(-0.26, 0.26, tail_low, tail_low + 0.11, (60, 190, 215))
    ahead(-0.26, 0.26, nose - 0.28, nose - 0.17, (205, 208, 210))


def _assemble(shape: Shape, paint: Color, lights_on: bool) -> _Builder:
    b = _Builder()
    half, belt = shape.width / 2, shape.body[2][1]
    _underside(b, shape)
    _sides(b, shape, paint)
    _strips(b, [(z, h, half) for z, h in shape.body], paint)
    cabin = [
        (z, h, half - shape.taper * (h - belt) / (shape.height - belt)) for z, h in shape.cabin
    ]
    _strips(b, cabin, paint)
    _glass_pane(b, cabin[0], cabin[1])
    _glass_pane(b, cabin[-1], cabin[-2])
    _ends(b, shape, lights_on)
    return b


@dataclass(frozen=True)
class Vehicle:
    """A vehicle that can be placed in the world.

    Attributes:
        shape: Its form.
        vertices: (V, 3) in its own frame.
        faces: Vertex numbers of each face.
        normals: (F, 3) in its own frame.
        colors: (F, 3) BGR in neutral light.
        gloss: (F,) share of the sky that each face reflects.
        detail: (F,) bool.
    """

    shape: Shape
    vertices: Array
    faces: tuple[Array, ...]
    normals: Array
    colors: Array
    gloss: Array
    detail: Array

    def at(self, point: Array, yaw: float, light: Light) -> Thing:
        """Places it on a (3,) ground point, heading `yaw` radians to the right of world z."""
        normals = turned(self.normals, yaw)
        upward = np.clip(0.35 - normals[:, 1:2], 0, 1)  # faces that lean back reflect more sky
        mirrored = (self.gloss[:, None] * upward) * (light.skyline * light.ambient.mean() * 1.3)
        mesh = Mesh(
            vertices=turned(self.vertices, yaw) + point,
            faces=self.faces,
            normals=normals,
            colors=self.colors * light.on(normals) + mirrored,
            detail=self.detail,
            label=classes.CAR,
        )
        size = (self.shape.width, self.shape.height * 0.9, self.shape.length)
        corners = box_corners(size, point, yaw)
        contact = box_corners((size[0] + 0.1, 0.0, size[2] + 0.1), point, yaw)[:4]
        shadows = (cast_shadow(corners, light),) if light.casts_shadows else ()
        return Thing(anchor=point, parts=(mesh,), shadows=shadows, contact=contact)


def make_vehicle(rng: np.random.Generator, light: Light, *, parked: bool = False) -> Vehicle:
    """Draws a random vehicle: mostly cars, some vans, and buses if it is not parked."""
    kind = rng.random()
    paint = pick(rng, _PAINTS)
    if kind < 0.84:
        shape = _CARS[int(rng.integers(len(_CARS)))]
    elif kind < 0.95 or parked:
        shape = VAN
        paint = pick(rng, [(215, 216, 218), (215, 216, 218), (150, 90, 40), (50, 50, 160)])
    elif kind < 0.975:
        shape = BUS
        paint = pick(rng, [(170, 110, 60), (60, 60, 190), (90, 150, 80), (210, 212, 214)])
    else:
        shape = DOUBLE_DECKER
        paint = pick(rng, [(36, 32, 165), (150, 90, 40), (60, 130, 60)])
    b = _assemble(shape, paint, light.dark and not parked)
    return Vehicle(
        shape=shape,
        vertices=np.array(b.vertices),
        faces=tuple(b.faces),
        normals=np.array(b.normals),
        colors=np.array(b.colors),
        gloss=np.array(b.gloss),
        detail=np.array(b.detail),
    )
