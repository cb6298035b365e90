# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures of building fronts: walls, windows, doors, shop fronts.

Sizes are in metres from the wall's top left corner. The pictures have `DENSITY` pixels per metre.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from bisenet_ros.synthetic.camera import Array
from bisenet_ros.synthetic.rng import Color, pick
from bisenet_ros.synthetic.textures import DENSITY, surface

_BRICKS: tuple[Color, ...] = (
    (72, 88, 124),
    (62, 74, 108),
    (108, 140, 164),
    (122, 150, 170),
    (84, 98, 118),
    (64, 70, 84),
)
_RENDERS: tuple[Color, ...] = (
    (214, 218, 220),
    (186, 206, 218),
    (168, 190, 206),
    (200, 204, 190),
    (150, 178, 200),
    (190, 196, 214),
)
_STONES: tuple[Color, ...] = ((140, 160, 172), (120, 136, 148), (156, 164, 168))
_FASCIAS: tuple[Color, ...] = (
    (40, 36, 130),
    (100, 50, 30),
    (44, 80, 36),
    (36, 34, 36),
    (190, 120, 30),
    (60, 150, 200),
    (90, 40, 90),
    (210, 212, 214),
    (40, 130, 60),
)
_WORDS = (
    *('BAKERY', 'BOOKS', 'CAFE', 'PHARMACY', 'BARBER', 'FLOWERS', 'PIZZA', 'BANK', 'OPTICIAN'),
    *('SHOES', 'TOYS', 'DELI', 'BUTCHER', 'HOTEL', 'GIFTS', 'MUSIC', 'CYCLES', 'KEBAB', 'TRAVEL'),
    *('CARDS', 'LAUNDRY', 'NEWS', 'TAILOR', 'GROCER'),
)


@dataclass(frozen=True)
class Wall:
    """The plain surface of a building: a material of `textures.relief` and a BGR colour."""

    material: str
    color: Color


def make_wall(rng: np.random.Generator, kind: str) -> Wall:
    """Draws a random wall for a kind of building in `street.Plot`."""
    choice = rng.random()
    if kind == 'office':
        if choice < 0.5:
            return Wall('stone', pick(rng, _STONES))
        return Wall('render', pick(rng, ((150, 152, 152), (120, 122, 124), (170, 174, 178))))
    if choice < 0.58:
        return Wall('brick', pick(rng, _BRICKS))
    if choice < 0.88:
        return Wall('render', pick(rng, _RENDERS))
    return Wall('stone', pick(rng, _STONES))


class _Front:
    """A front that is being painted."""

    def __init__(self, wall: Wall, width: float, height: float, rng: np.random.Generator) -> None:
        size = (max(int(width * DENSITY), 4), max(int(height * DENSITY), 4))
        self.pixels = surface(wall.material, size, wall.color, int(rng.integers(16)))
        self.width, self.height = width, height

    def fill(self, x0: float, y0: float, x1: float, y1: float, color: Color) -> None:
        """Fills a rectangle."""
        rows, columns = self._window(x0, y0, x1, y1)
        self.pixels[rows, columns] = color

    def glass(self, x0: float, y0: float, x1: float, y1: float, bright: float) -> None:
        """Fills a rectangle with glass that reflects more sky towards its top."""
        rows, columns = self._window(x0, y0, x1, y1)
        count = rows.stop - rows.start
        if count <= 0 or columns.stop <= columns.start:
            return
        tone = (np.linspace(0.9 + bright, 0.55 + 0.3 * bright, count))[:, None, None]
        self.pixels[rows, columns] = np.clip(tone * np.array([74.0, 66.0, 58.0]), 0, 255)

    def text(
        self, word: str, x: float, y: float, height: float, width: float, color: Color
    ) -> None:
        """Writes a word with its lower left corner at (x, y)."""
        (w, h), _ = cv2.getTextSize(word, cv2.FONT_HERSHEY_DUPLEX, 1.0, 1)
        scale = min(height * DENSITY / h, width * DENSITY / w)
        spot = (int(x * DENSITY + (width * DENSITY - w * scale) / 2), int(y * DENSITY))
        cv2.putText(self.pixels, word, spot, cv2.FONT_HERSHEY_DUPLEX, scale, color, 1, cv2.LINE_AA)

    def _window(self, x0: float, y0: float, x1: float, y1: float) -> tuple[slice, slice]:
        rows = np.clip(np.rint(np.array([y0, y1]) * DENSITY), 0, self.pixels.shape[0]).astype(int)
        columns = np.clip(np.rint(np.array([x0, x1]) * DENSITY), 0, self.pixels.shape[1])
        columns = columns.astype(int)
        return slice(rows[0], rows[1]), slice(columns[0], columns[1])


@dataclass(frozen=True)
class _Style:
    """Appearance of the windows of a building, metres."""

    width: float
    height: float
    frame: Color
    sill: Color
    bright: float
    bars: tuple[int, int]


def _paint_window(
    front: _Front, x: float, y: float, style: _Style, rng: np.random.Generator
) -> None:
    w, h = style.width, style.height
    front.fill(x - 0.12, y - 0.18, x + w + 0.12, y - 0.02, style.sill)
    front.fill(x - 0.1, y + h, x + w + 0.1, y + h + 0.1, style.sill)
    front.fill(x, y, x + w, y + h, style.frame)
    front.glass(
        x + 0.07, y + 0.07, x + w - 0.07, y + h - 0.07, style.bright * rng.uniform(0.3, 1.6)
    )
    curtain = rng.random()
    if curtain < 0.3:
        drop = h * rng.uniform(0.2, 0.6)
        front.fill(x + 0.08, y + 0.08, x + w - 0.08, y + drop, (150, 156, 160))
    elif curtain < 0.45:
        front.fill(x + 0.08, y + 0.08, x + 0.08 + w * 0.2, y + h - 0.08, (120, 124, 130))
        front.fill(x + w * 0.8 - 0.08, y + 0.08, x + w - 0.08, y + h - 0.08, (120, 124, 130))
    for bar in range(1, style.bars[0] + 1):
        at = x + w * bar / (style.bars[0] + 1)
        front.fill(at - 0.03, y, at + 0.03, y + h, style.frame)
    for bar in range(1, style.bars[1] + 1):
        at = y + h * bar / (style.bars[1] + 1)
        front.fill(x, at - 0.03, x + w, at + 0.03, style.frame)
    front.fill(x, y + 0.0, x + w, y + 0.06, (40, 40, 42))  # shade of the lintel


def _paint_door(front: _Front, x: float, rng: np.random.Generator) -> None:
    bottom = front.height
    front.fill(x - 0.12, bottom - 2.5, x + 1.12, bottom, (190, 194, 196))
    color = pick(rng, ((50, 40, 110), (90, 50, 30), (40, 70, 40), (36, 36, 38), (160, 162, 165)))
    front.fill(x, bottom - 2.15, x + 1.0, bottom - 0.1, color)
    front.glass(x + 0.05, bottom - 2.42, x + 0.95, bottom - 2.2, 0.3)
    front.fill(x - 0.1, bottom - 0.1, x + 1.1, bottom, (130, 134, 136))


def _paint_shop(front: _Front, rng: np.random.Generator) -> None:
    """Paints a shop front on the lowest 3.5 metres."""
    top, bottom, width = front.height - 3.5, front.height, front.width
    fascia, trim = pick(rng, _FASCIAS), pick(rng, _FASCIAS)
    front.fill(0, top, width, bottom, (trim[0] * 0.8, trim[1] * 0.8, trim[2] * 0.8))
    front.fill(0.1, top + 0.08, width - 0.1, top + 0.75, fascia)
    bright = sum(fascia) > 380
    ink: Color = (40, 40, 44) if bright else (225, 230, 232)
    word = ' & '.join(rng.choice(_WORDS, 2 if width > 8 else 1, replace=False))
    front.text(word, 0.4, top + 0.62, 0.38, width - 0.8, ink)
    front.fill(0, top + 0.75, width, top + 0.85, (36, 36, 38))
    panes = max(int(width / rng.uniform(1.4, 2.4)), 1)
    door = int(rng.integers(panes))
    riser = rng.uniform(0.15, 0.6)
    inside = pick(rng, ((70, 80, 92), (46, 44, 44), (90, 110, 124), (60, 62, 66)))
    for pane in range(panes):
        x0, x1 = width * pane / panes + 0.08, width * (pane + 1) / panes - 0.08
        low = bottom - (0.05 if pane == door else riser)
        front.glass(x0, top + 0.9, x1, low, rng.uniform(0.0, 0.5))
        front.fill(x0, top + 1.1, x1, top + 1.1 + rng.uniform(0.3, 1.2), inside)
        for _ in range(int(rng.integers(2, 7))):  # goods on display
            gx, gy = rng.uniform(x0, x1 - 0.2), rng.uniform(top + 1.3, low - 0.2)
            color = pick(rng, (*_FASCIAS, (120, 170, 190), (160, 160, 160)), spread=20)
            width_m, height_m = rng.uniform(0.12, 0.5), rng.uniform(0.1, 0.5)
            front.fill(gx, gy, min(gx + width_m, x1), min(gy + height_m, low), color)
        if pane == door:
            front.fill((x0 + x1) / 2 - 0.03, top + 0.9, (x0 + x1) / 2 + 0.03, bottom, trim)


def _paint_office(front: _Front, rng: np.random.Generator) -> None:
    """Paints bands or a grid of glass."""
    floors = max(int(front.height / 3.3), 1)
    bands, pier = rng.random() < 0.5, rng.uniform(0.15, 0.9)
    bright = rng.uniform(0.1, 1.3)
    frame = pick(rng, ((60, 60, 62), (170, 172, 175), (110, 112, 114)))
    spacing = rng.uniform(1.3, 3.2)
    for floor in range(floors):
        y = front.height - 3.3 * (floor + 1) + 0.55
        if bands:
            front.fill(0, y - 0.06, front.width, y + 2.1, frame)
        for x in np.arange(pier, front.width - 0.8, spacing):
            edge = 0.04 if bands else pier / 2
            right = min(x + spacing - edge, front.width - 0.1)
            front.glass(x + edge, y, right, y + 2.0, bright * rng.uniform(0.5, 1.3))
    front.fill(0, 0, front.width, 0.35, frame)


def paint_front(
    kind: str, wall: Wall, width: float, height: float, rng: np.random.Generator
) -> Array:
    """Paints the front of a building.

    Args:
        kind: 'shop', 'terrace', 'house' or 'office'.
        wall: Its surface.
        width: Metres.
        height: Metres, from the ground to the eaves or the top of the parapet.
        rng: The building's random stream.

    Returns:
        (height x DENSITY, width x DENSITY, 3) uint8 BGR in neutral light.
    """
    front = _Front(wall, width, height, rng)
    if kind == 'office':
        _paint_office(front, rng)
        return front.pixels
    pale = rng.random() < 0.75
    style = _Style(
        width=rng.uniform(0.9, 1.5),
        height=rng.uniform(1.3, 1.8),
        frame=(222, 224, 226) if pale else (52, 50, 50),
        sill=pick(rng, ((170, 178, 184), (196, 200, 202), wall.color)),
        bright=rng.uniform(0.2, 1.2),
        bars=(int(rng.integers(0, 2)), int(rng.integers(0, 2))),
    )
    ground = 3.5 if kind == 'shop' else 0.0
    columns = max(int(width / (style.width + rng.uniform(0.7, 1.3))), 1)
    pitch = width / columns
    door = int(rng.integers(columns))
    floors = max(int((height - ground + 0.1) / 2.8), 1)
    for floor in range(floors):
        y = height - ground - 2.8 * (floor + 1) + 0.65
        if y < 0.1:
            break
        for column in range(columns):
            x = (column + 0.5) * pitch - style.width / 2
            if floor == 0 and ground == 0 and column == door:
                _paint_door(front, (column + 0.5) * pitch - 0.5, rng)
            else:
                _paint_window(front, x, y, style, rng)
    if kind == 'shop':
        _paint_shop(front, rng)
    front.fill(0, 0, width, rng.uniform(0.1, 0.35), style.sill)  # cornice or gutter
    if rng.random() < 0.5:
        x = 0.1 if rng.random() < 0.5 else width - 0.2
        front.fill(x, 0, x + 0.1, height - ground, (44, 44, 46))  # downpipe
    return front.pixels
