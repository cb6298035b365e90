# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Street furniture: lamp posts, signs, traffic lights, bollards, fences, walls, hedges."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from bisenet_ros.synthetic import classes
from bisenet_ros.synthetic.camera import Array
from bisenet_ros.synthetic.light import Light
from bisenet_ros.synthetic.painter import Rectangle
from bisenet_ros.synthetic.rng import Color, pick
from bisenet_ros.synthetic.textures import DENSITY, Texture, surface
from bisenet_ros.synthetic.things import (
    TOWARDS_EGO,
    Bars,
    Cutout,
    Flat,
    Panel,
    Part,
    Thing,
    box,
    lit,
    lit_texture,
)

_STEEL: tuple[Color, ...] = (
    (120, 122, 122),
    (70, 72, 70),
    (40, 42, 42),
    (64, 84, 60),
    (150, 152, 152),
)


def _up(foot: Array, height: float, right: float = 0.0, ahead: float = 0.0) -> Array:
    """Returns a world point above a point on the ground, metres."""
    point: Array = foot + np.array([right, -height, ahead])
    return point


def _post(foot: Array, height: float, radius: float, color: Color, light: Light) -> Bars:
    shade = lit(color, (0.6, -0.2, -0.75), light)
    return Bars(
        bars=np.array([[foot, _up(foot, height)]]),
        radii=np.array([[radius, radius * 0.75]]),
        colors=shade[None],
        label=classes.POLE,
    )


def _stick_shadow(foot: Array, height: float, width: float, light: Light) -> tuple[Array, ...]:
    if not light.casts_shadows:
        return ()
    tip = _up(foot, height) + height * light.shadow_reach()
    half = np.array([width / 2, 0.0, 0.0])
    return (np.array([foot - half, foot + half, tip + half, tip - half]),)


def lamp_post(foot: Array, side: int, rng: np.random.Generator, light: Light) -> Thing:
    """Builds a lamp post whose arm reaches over the road."""
    height = rng.uniform(6.0, 9.0)
    color = pick(rng, _STEEL)
    arm = -side * rng.uniform(0.8, 2.0)
    top, tip = _up(foot, height), _up(foot, height + 0.35, arm)
    shade = lit(color, (0.6, -0.2, -0.75), light)
    post = Bars(
        bars=np.array([[foot, top], [foot, _up(foot, 1.2)], [top, tip]]),
        radii=np.array([[0.09, 0.055], [0.12, 0.1], [0.045, 0.035]]),
        colors=np.stack([shade] * 3),
        label=classes.POLE,
    )
    head = box(
        (0.75, 0.14, 0.3), tip - np.array([0.0, 0.05, 0.0]), (150, 152, 150), classes.POLE, light
    )
    return Thing(foot, (post, head), _stick_shadow(foot, height, 0.16, light))


def _disc(centre: Array, radius: float, color: Array, corners: int = 14) -> Flat:
    """Returns a flat sign that faces the ego; 3 `corners` make a triangle."""
    angles = np.linspace(0, 2 * np.pi, corners, endpoint=False) - np.pi / 2
    ring = np.stack((np.cos(angles), np.sin(angles), np.zeros(corners)), axis=1)
    return Flat(centre + radius * ring, color, classes.SIGN)


def _board(centre: Array, width: float, height: float, color: Array) -> Flat:
    w, h = width / 2, height / 2
    corners = np.array([[-w, -h, 0], [w, -h, 0], [w, h, 0], [-w, h, 0]])
    return Flat(centre + corners, color, classes.SIGN)


def road_sign(foot: Array, rng: np.random.Generator, light: Light) -> Thing:
    """Builds a traffic sign on a post: a disc, triangle or board, or several of them."""
    height = rng.uniform(2.2, 3.0)

    def paint(b: float, g: float, r: float) -> Array:
        return lit((b, g, r), TOWARDS_EGO, light)

    parts: list[Part] = [_post(foot, height + 0.3, 0.045, (130, 132, 132), light)]
    front = np.array([0.0, 0.0, -0.06])
    centre = _up(foot, height) + front
    kind = rng.random()
    if kind < 0.35:
        blue = rng.random() < 0.35
        parts.append(_disc(centre, 0.34, paint(40, 34, 190) if not blue else paint(170, 80, 20)))
        parts.append(
            _disc(centre + front, 0.24, paint(225, 226, 228) if not blue else paint(190, 96, 30))
        )
        mark = paint(30, 30, 32) if not blue else paint(225, 226, 228)
        parts.append(_board(centre + 2 * front, 0.2, 0.1, mark))
    elif kind < 0.6:
        parts.append(_disc(centre, 0.42, paint(40, 34, 190), 3))
        parts.append(_disc(centre + front, 0.26, paint(225, 226, 228), 3))
    elif kind < 0.8:
        width = rng.uniform(0.9, 1.9)
        color = paint(70, 110, 30) if rng.random() < 0.5 else paint(180, 90, 20)
        parts.append(_board(centre, width, 0.7, paint(225, 226, 228)))
        parts.append(_board(centre + front, width - 0.1, 0.6, color))
        parts.append(_board(centre + 2 * front, width * 0.6, 0.12, paint(225, 226, 228)))
    else:
        parts.append(_board(centre, 0.5, 0.65, paint(60, 190, 215)))
        parts.append(_board(centre + front, 0.3, 0.12, paint(30, 30, 32)))
    if rng.random() < 0.3:
        below = _up(foot, height - 0.62) + front
        parts.append(_board(below, 0.55, 0.3, paint(215, 216, 218)))
    return Thing(foot, tuple(parts), _stick_shadow(foot, height + 0.3, 0.3, light))


def traffic_light(foot: Array, rng: np.random.Generator, light: Light) -> Thing:
    """Builds a traffic light on a post, with one lamp on."""
    post = _post(foot, 2.4, 0.07, (60, 62, 62), light)
    head = box((0.34, 0.95, 0.3), _up(foot, 2.3), (32, 32, 34), classes.SIGN, light)
    plate = _board(_up(foot, 2.78, ahead=0.1), 0.6, 1.2, lit((38, 38, 40), TOWARDS_EGO, light))
    parts: list[Part] = [post, plate, head]
    lit_lamp = int(rng.integers(3))
    for lamp, color in enumerate(((40, 40, 255), (40, 180, 255), (130, 240, 60))):
        glow = np.array(color if lamp == lit_lamp else [c * 0.25 for c in color], float)
        parts.append(_disc(_up(foot, 3.08 - 0.3 * lamp, ahead=-0.17), 0.11, glow, 10))
    return Thing(foot, tuple(parts), _stick_shadow(foot, 3.2, 0.25, light))


def belisha_beacon(foot: Array, light: Light) -> Thing:
    """Builds the striped post with an amber globe at a zebra crossing."""
    bands = [[_up(foot, 0.4 * n), _up(foot, 0.4 * (n + 1))] for n in range(6)]
    white = lit((215, 216, 218), TOWARDS_EGO, light)
    black = lit((36, 36, 38), TOWARDS_EGO, light)
    post = Bars(
        bars=np.array(bands),
        radii=np.full((6, 2), 0.06),
        colors=np.stack([white if n % 2 else black for n in range(6)]),
        label=classes.POLE,
    )
    globe = _disc(_up(foot, 2.55, ahead=-0.05), 0.17, np.array([40.0, 170.0, 250.0]), 12)
    return Thing(foot, (post, globe), _stick_shadow(foot, 2.5, 0.12, light))


def bollard(foot: Array, rng: np.random.Generator, light: Light) -> Thing:
    """Builds a bollard."""
    post = _post(foot, rng.uniform(0.8, 1.1), 0.09, pick(rng, ((36, 36, 38), (90, 92, 94))), light)
    return Thing(foot, (post,))


def billboard(foot: Array, rng: np.random.Generator, light: Light) -> Thing:
    """Builds a poster on two legs."""
    width, height = rng.uniform(0.9, 1.4), rng.uniform(1.4, 1.9)
    color = pick(
        rng, ((60, 60, 200), (180, 120, 30), (60, 170, 90), (50, 170, 220), (200, 202, 205)), 20
    )
    centre = _up(foot, 0.5 + height / 2)
    front = np.array([0.0, 0.0, -0.03])
    legs = Bars(
        bars=np.array([[_up(foot, 0, x), _up(foot, 0.8, x)] for x in (-width / 3, width / 3)]),
        radii=np.full((2, 2), 0.05),
        colors=np.stack([lit((70, 72, 72), TOWARDS_EGO, light)] * 2),
        label=classes.POLE,
    )
    parts: tuple[Part, ...] = (
        legs,
        _board(centre, width, height, lit((190, 192, 194), TOWARDS_EGO, light)),
        _board(centre + front, width - 0.12, height - 0.12, lit(color, TOWARDS_EGO, light)),
        _board(
            _up(centre, height * 0.2) + 2 * front,
            width * 0.6,
            0.22,
            lit((225, 226, 228), TOWARDS_EGO, light),
        ),
        _board(
            _up(centre, -height * 0.22) + 2 * front,
            width * 0.7,
            0.3,
            lit((44, 44, 48), TOWARDS_EGO, light),
        ),
    )
    return Thing(foot, parts, _stick_shadow(foot, height + 0.5, width, light))


def shop_sign(at: Array, side: int, rng: np.random.Generator, light: Light) -> Thing:
    """Builds a sign that projects over the pavement from a (3,) world point on a front."""
    color = pick(
        rng, ((40, 36, 160), (150, 80, 30), (50, 120, 50), (36, 36, 38), (210, 212, 214)), 15
    )
    width, height = rng.uniform(0.5, 0.9), rng.uniform(0.4, 0.8)
    centre = at + np.array([-side * (width / 2 + 0.1), 0.0, 0.0])
    front = np.array([0.0, 0.0, -0.03])
    return Thing(
        at,
        (
            _board(centre, width, height, lit(color, TOWARDS_EGO, light)),
            _board(
                centre + front, width * 0.6, height * 0.2, lit((220, 222, 224), TOWARDS_EGO, light)
            ),
        ),
    )


@lru_cache(maxsize=8)
def _railing(kind: str) -> tuple[Array, Array]:
    """Draws 3 by 1.1 metres of fence: coverage (h, w) uint8 and outline (h, w) uint8."""
    width, height = int(3 * DENSITY), int(1.1 * DENSITY)
    cover = np.zeros((height, width), np.uint8)
    spacing = {'bars': 4, 'guard': 4, 'mesh': 2}[kind]
    cover[:, ::spacing] = 255 if kind != 'mesh' else 130
    if kind == 'mesh':
        cover[::2, :] = 130
    cover[2:5] = 255
    cover[-5:-2] = 255
    cover[:, :3] = 255
    cover[:, width // 2 : width // 2 + 3] = 255
    outline = np.full((height, width), 255, np.uint8)
    if kind == 'bars':
        outline[:2] = cover[:2]
    return cover, outline


def railing(
    start: Array, end: Array, height: float, rng: np.random.Generator, light: Light
) -> Thing:
    """Builds a metal fence between two (3,) world points on the ground."""
    cover, outline = _railing(str(rng.choice(['bars', 'guard', 'mesh'])))
    panels = max(int(np.linalg.norm(end - start) / 3), 1)
    cover, outline = np.tile(cover, (1, panels)), np.tile(outline, (1, panels))
    color = pick(rng, ((40, 42, 42), (120, 122, 124), (62, 84, 56), (150, 152, 154)))
    shade = lit(color, (0.7, -0.2, -0.7), light)
    picture = np.empty((*cover.shape, 4), np.uint8)
    picture[..., :3] = np.clip(shade, 0, 255)
    picture[..., 3] = cover
    place = Rectangle.upright(start, end, height)
    return Thing(
        (start + end) / 2, (Cutout(Texture(picture), Texture(outline), place, classes.FENCE),)
    )


def _side_normal(start: Array, end: Array, side: int) -> tuple[float, float, float]:
    """Returns the street-side normal of a wall along the street, on a side."""
    along = (end - start) / max(float(np.linalg.norm(end - start)), 1e-6)
    return float(-side * along[2]), 0.0, float(side * along[0])


def board_fence(
    start: Array, end: Array, side: int, rng: np.random.Generator, light: Light
) -> Thing:
    """Builds a board fence between two (3,) world points on the ground."""
    height = rng.uniform(1.3, 2.0)
    size = (max(int(np.linalg.norm(end - start) * DENSITY), 4), int(height * DENSITY))
    pixels = surface('render', size, pick(rng, ((70, 100, 130), (90, 110, 128), (60, 76, 90))), 3)
    tones = rng.normal(1, 0.07, size[0] // 4 + 1).repeat(4)[: size[0]]
    tones[::4] *= 0.6
    pixels = cv2.multiply(
        pixels, np.broadcast_to(tones[None, :, None], pixels.shape), dtype=cv2.CV_8U
    )
    texture = lit_texture(pixels, _side_normal(start, end, side), light)
    return Thing(
        (start + end) / 2, (Panel(texture, Rectangle.upright(start, end, height), classes.FENCE),)
    )


def garden_wall(
    start: Array, end: Array, side: int, height: float, color: Color, light: Light
) -> Thing:
    """Builds a brick wall between two (3,) world points on the ground; a building in CamVid."""
    size = (max(int(np.linalg.norm(end - start) * DENSITY), 4), max(int(height * DENSITY), 4))
    pixels = surface('brick', size, color, 5)
    pixels[:3] = np.clip(np.array(color) * 1.2, 0, 255)
    normal = _side_normal(start, end, side)
    face = Panel(
        lit_texture(pixels, normal, light),
        Rectangle.upright(start, end, height),
        classes.BUILDING,
    )
    deep = np.array([side * 0.25, 0.0, 0.0])
    up = np.array([0.0, -height, 0.0])
    end_face = Flat(
        np.array([start, start + deep, start + deep + up, start + up]),
        lit(color, TOWARDS_EGO, light),
        classes.BUILDING,
    )
    top = Flat(
        np.array([start + up, end + up, end + up + deep, start + up + deep]),
        lit((150, 156, 160), (0, -1, 0), light),
        classes.BUILDING,
    )
    return Thing((start + end) / 2, (end_face, top, face))


def hedge(start: Array, end: Array, side: int, height: float, leaves: Array, light: Light) -> Thing:
    """Builds a clipped hedge between two (3,) world points on the ground.

    Args:
        start: Its near end.
        end: Its far end.
        side: Side of the street.
        height: Metres.
        leaves: (h, w, 3) uint8 picture of leaves in neutral light.
        light: The scene's light.
    """
    rows = min(int(height * 60), leaves.shape[0])
    columns = max(int(np.linalg.norm(end - start) * 40), 8)
    pixels = np.tile(leaves[:rows], (1, columns // leaves.shape[1] + 1, 1))[:, :columns]
    face = lit_texture(np.ascontiguousarray(pixels), _side_normal(start, end, side), light)
    near_pixels = np.ascontiguousarray(leaves[:rows, :40])
    deep, up = np.array([side * 0.8, 0.0, 0.0]), np.array([0.0, -height, 0.0])
    inner, outer = (start, start + deep) if side > 0 else (start + deep, start)
    near = Panel(
        lit_texture(near_pixels, TOWARDS_EGO, light),
        Rectangle.upright(inner, outer, height),
        classes.TREE,
    )
    top = Flat(
        np.array([start + up, end + up, end + up + deep, start + up + deep]),
        lit(tuple(leaves.mean((0, 1)).tolist()), (0, -1, 0), light),
        classes.TREE,
    )
    return Thing(
        (start + end) / 2,
        (top, near, Panel(face, Rectangle.upright(start, end, height), classes.TREE)),
    )
