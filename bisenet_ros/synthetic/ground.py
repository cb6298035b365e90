# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The ground: carriageway, markings, kerbs, paving and grass.

Each block has two maps on one grid in street coordinates, rows along `s` and columns along `d`:
its colours and its class ids. A frame samples both at the ground point of each pixel.
"""

from __future__ import annotations

from copy import copy
from functools import lru_cache

import cv2
import numpy as np

from bisenet_ros.synthetic import classes
from bisenet_ros.synthetic.camera import Array
from bisenet_ros.synthetic.rng import Color, pick, stream
from bisenet_ros.synthetic.street import BLOCK, LEFT, RIGHT, Block, Street
from bisenet_ros.synthetic.textures import fractal_noise

_ALONG, _ACROSS = 12, 32  # map cells per metre of s and of d; perspective compresses s
_HALF_WIDTH = 22.0  # metres of d on each side in the maps; their edges are repeated beyond
_BLOCKS = 4  # blocks in view of a frame, including its own
_ROWS, _COLUMNS = int(BLOCK * _ALONG), int(2 * _HALF_WIDTH * _ACROSS)
_LEVELS = 6  # levels of the colour map, including the original
_SPARE = 512  # extra columns in the sheets of noise

_WHITE: Color = (196, 200, 202)
_YELLOW: Color = (70, 165, 195)

Span = tuple[float, float]  # from, to


class _Sheet:
    """The two maps of a block that is being painted.

    Attributes:
        start: `s` of the first row, metres.
        s: (rows,) metres at the middle of each row.
        d: (columns,) metres at the middle of each column.
        color: (rows, columns, 3) float32 BGR in neutral light.
        label: (rows, columns) uint8.
    """

    def __init__(self, start: float) -> None:
        self.start = start
        self.s = start + (np.arange(_ROWS) + 0.5) / _ALONG
        self.d = (np.arange(_COLUMNS) + 0.5) / _ACROSS - _HALF_WIDTH
        self.color = np.zeros((_ROWS, _COLUMNS, 3), np.float32)
        self.label = np.full((_ROWS, _COLUMNS), classes.ROAD, np.uint8)

    def window(self, s: Span, d: Span) -> tuple[slice, slice]:
        """Returns the cells within street coordinates; the span of `d` may be in either order."""
        rows = np.clip(np.rint((np.array(s) - self.start) * _ALONG), 0, _ROWS).astype(int)
        columns = np.rint((np.sort(d) + _HALF_WIDTH) * _ACROSS).astype(int)
        columns = np.clip(columns, 0, _COLUMNS)
        return slice(rows[0], rows[1]), slice(columns[0], columns[1])

    def blend(self, s: Span, d: Span, color: Color, share: float | Array) -> None:
        """Blends a colour into a rectangle; `share` may be a map of the whole sheet."""
        where = self.window(s, d)
        weight = share[where][..., None] if isinstance(share, np.ndarray) else np.float32(share)
        self.color[where] += (np.array(color, np.float32) - self.color[where]) * weight

    def half(self, side: int) -> _Sheet:
        """Returns one side of the street as views; `d` is the distance from the centre line."""
        part = copy(self)
        columns = slice(_COLUMNS // 2, None) if side > 0 else slice(_COLUMNS // 2)
        part.d = side * self.d[columns]
        part.color, part.label = self.color[:, columns], self.label[:, columns]
        return part

    def lay(self, where: Array, color: Color, tone: Array, label: int) -> None:
        """Covers the cells `where` (rows, columns) bool; `tone` (rows, columns): lightness."""
        self.color[where] = np.array(color, np.float32) * tone[where][:, None]
        self.label[where] = label


class Ground:
    """The ground of one drive, in neutral light."""

    def __init__(self, street: Street) -> None:
        """Draws the street's surfaces; blocks are painted when they come into view."""
        self._street = street
        rng = stream(street.seed, 'ground')
        self._asphalt = pick(rng, [(112, 110, 108), (92, 90, 89), (126, 124, 124), (104, 106, 112)])
        self._paving = pick(
            rng, [(128, 134, 140), (110, 114, 118), (118, 128, 148), (140, 146, 150)]
        )
        self._kerb = pick(rng, [(142, 146, 148), (120, 124, 126)])
        self._grass = pick(rng, [(52, 104, 88), (48, 92, 92), (60, 120, 100), (70, 112, 118)])
        self._slab = float(rng.uniform(0.45, 0.95))  # metres
        shape = (_ROWS, _COLUMNS + _SPARE)
        # Blotches fade out towards the ends of a block, so that blocks join without a seam.
        fade = np.clip((BLOCK / 2 - np.abs(np.linspace(-BLOCK, BLOCK, _ROWS) / 2)) / 4, 0, 1)
        noise = fractal_noise(rng, shape, octaves=8, coarsest=6)
        self._blotches = noise * fade[:, None].astype(np.float32)
        self._grain = rng.standard_normal(shape, dtype=np.float32)
        self._block = lru_cache(maxsize=_BLOCKS + 1)(self._paint)
        self._joined = lru_cache(maxsize=1)(self._join)

    def look(self, s: Array, d: Array, near: float, reach: float) -> tuple[Array, Array]:
        """Samples the ground.

        Args:
            s: (R, W) float32 street coordinates of the pixels of R image rows, metres.
            d: (R, W) float32, metres.
            near: `s` of the camera, metres.
            reach: Focal length in pixels times camera height in metres; determines the map level.

        Returns:
            (R, W, 3) uint8 BGR in neutral light and (R, W) uint8 class ids.
        """
        first = int(np.floor(near / BLOCK))
        levels, labels = self._joined(first)
        rows = (s - np.float32(first * BLOCK)) * np.float32(_ALONG) - np.float32(0.5)
        columns = (d + np.float32(_HALF_WIDTH)) * np.float32(_ACROSS) - np.float32(0.5)
        color = np.empty((*s.shape, 3), np.uint8)
        depth = np.maximum(s.mean(1) - near, 1.0)
        cells_per_pixel = _ALONG * depth**2 / reach
        wanted = np.clip(np.log2(cells_per_pixel), 0, _LEVELS - 1).astype(int)
        for level in np.unique(wanted):
            band = np.flatnonzero(wanted == level)
            part = slice(band[0], band[-1] + 1)
            along, across = np.float32(2.0**-level), np.float32(2.0 ** -(level // 2))
            half = np.float32(0.5)
            color[part] = cv2.remap(
                levels[level],
                (columns[part] + half) * across - half,
                (rows[part] + half) * along - half,
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE,
            )
        label = cv2.remap(labels, columns, rows, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
        return color, label

    def _join(self, first: int) -> tuple[list[Array], Array]:
        """Joins the blocks from `first` on: colour maps by level, and class ids."""
        blocks = [self._block(first + step) for step in range(_BLOCKS)]
        levels = [np.concatenate([b[0][level] for b in blocks]) for level in range(_LEVELS)]
        return levels, np.concatenate([b[1] for b in blocks])

    def _paint(self, number: int) -> tuple[list[Array], Array]:
        """Paints a block: its colour map by level, each halved along s, and its class ids."""
        block = self._street.block(number)
        rng = stream(self._street.seed, 'ground', number)
        sheet = _Sheet(block.start)
        self._paint_asphalt(sheet, rng)
        self._paint_markings(sheet, block, rng)
        for side in (LEFT, RIGHT):
            self._paint_side(sheet.half(side), block, side, rng)
        sheet.color *= (1 + np.float32(0.045) * self._cut(self._grain, rng))[..., None]
        levels: list[Array] = [np.clip(sheet.color, 0, 255).astype(np.uint8)]
        for level in range(1, _LEVELS):
            size = (_COLUMNS >> (level // 2), _ROWS >> level)
            levels.append(cv2.resize(levels[-1], size, interpolation=cv2.INTER_AREA))
        return levels, sheet.label

    @staticmethod
    def _cut(noise: Array, rng: np.random.Generator) -> Array:
        """Cuts noise of the maps' size out of a wider sheet."""
        first = int(rng.integers(_SPARE))
        return noise[:, first : first + _COLUMNS]

    def _paint_asphalt(self, sheet: _Sheet, rng: np.random.Generator) -> None:
        lane, wear = self._street.section.lane, self._street.traits['wear']
        blotches = self._cut(self._blotches, rng)
        sheet.color[:] = np.array(self._asphalt, np.float32)
        # Tyres polish two tracks in each lane; oil darkens the strip between them.
        from_middle = np.abs(np.abs(sheet.d) - lane / 2)
        tracks = np.exp(-(((from_middle - 0.75) / 0.28) ** 2))
        tracks -= 0.6 * np.exp(-((from_middle / 0.3) ** 2))
        tracks *= 0.05 * (0.4 + wear) * (np.abs(sheet.d) < lane)
        tone = (1 + (0.02 + 0.05 * wear) * blotches) * (1 + tracks.astype(np.float32))
        sheet.color *= tone[..., None]
        for _ in range(int(rng.poisson(1 + 3 * wear))):  # repaired patches
            s, d = sheet.start + rng.uniform(0, BLOCK), rng.uniform(-lane, lane)
            patch = sheet.window((s, s + rng.uniform(0.5, 6)), (d, d + rng.uniform(0.4, 2.2)))
            sheet.color[patch] *= np.float32(rng.uniform(0.78, 1.1))
        for _ in range(int(rng.poisson(2.5))):  # manholes
            s, d = sheet.start + rng.uniform(1, BLOCK - 1), rng.uniform(-lane, lane)
            sheet.blend((s, s + 0.62), (d, d + 0.62), (70, 72, 76), 0.75)
            sheet.blend((s + 0.08, s + 0.54), (d + 0.08, d + 0.54), (88, 92, 98), 0.5)
        for _ in range(int(rng.poisson(1.5 * wear))):  # seams along the road
            d = rng.uniform(-lane, lane)
            sheet.blend((sheet.start, sheet.start + BLOCK), (d, d + 0.04), (66, 66, 66), 0.3)

    def _paint_markings(self, sheet: _Sheet, block: Block, rng: np.random.Generator) -> None:
        section, traits = self._street.section, self._street.traits
        thin = np.clip(self._cut(self._blotches, rng) + 0.6, 0, 1.2)
        worn = np.clip(0.95 - traits['wear'] * thin, 0.15, 1)
        start, end = sheet.start, sheet.start + BLOCK
        zigzag = (end, end)  # no stopping around a zebra crossing
        if block.crossing is not None:
            zigzag = (block.crossing - 9.0, block.crossing + 9.0)
        dash, period = (4.0, 6.0) if traits['edge_lines'] < 0.3 else (2.0, 8.0)
        for s in np.arange(start, end, period):
            if not zigzag[0] < s < zigzag[1]:
                sheet.blend((s, s + dash), (-0.06, 0.06), _WHITE, worn)
        if block.crossing is not None:
            sheet.blend(zigzag, (-0.06, 0.06), _WHITE, worn)
            middle, half = block.crossing, section.lane + section.margin
            for d in np.arange(0.2 - half, half - 0.3, 1.1):
                sheet.blend((middle - 1.5, middle + 1.5), (d, d + 0.55), _WHITE, worn)
            lane = (section.ego_side * 0.15, section.ego_side * section.lane)
            sheet.blend((middle - 3.1, middle - 2.85), lane, _WHITE, worn)
        for side in (LEFT, RIGHT):
            self._paint_edge(sheet, side, zigzag, worn)
        if rng.random() < 0.3:
            self._paint_arrow(sheet, start + rng.uniform(6, 30), worn)

    def _paint_edge(self, sheet: _Sheet, side: int, gap: Span, worn: Array) -> None:
        """Paints the markings along a kerb, except within `gap`."""
        section, kind = self._street.section, self._street.traits['edge_lines']
        kerb, end = section.kerb(side), sheet.start + BLOCK
        lines: list[tuple[float, float, Color]] = []  # distance from the centre, width, colour
        if section.parking[side > 0]:
            lines.append((kerb - 2.2, 0.1, _WHITE))
            for s in np.arange(sheet.start, end, 5.5):
                sheet.blend((s, s + 0.1), (side * (kerb - 2.1), side * (kerb - 0.2)), _WHITE, worn)
        elif kind < 0.45:
            lines += [(kerb - 0.35, 0.08, _YELLOW), (kerb - 0.55, 0.08, _YELLOW)]
        elif kind < 0.6:
            lines.append((kerb - 0.4, 0.1, _WHITE))
        elif kind < 0.75 and section.margin > 0.9:
            lines.append((section.lane, 0.12, _WHITE))
        for distance, width, color in lines:
            across = (side * distance, side * (distance + width))
            sheet.blend((sheet.start, gap[0]), across, color, worn)
            sheet.blend((gap[1], end), across, color, worn)

    def _paint_arrow(self, sheet: _Sheet, s: float, worn: Array) -> None:
        d = self._street.section.ego_side * self._street.section.lane / 2
        sheet.blend((s, s + 2.6), (d - 0.08, d + 0.08), _WHITE, worn)
        for step in np.arange(0, 1.4, 1 / _ALONG):
            half = 0.36 * (1 - step / 1.4)
            at = s + 2.6 + step
            sheet.blend((at, at + 1 / _ALONG), (d - half, d + half), _WHITE, worn)

    def _paint_side(self, sheet: _Sheet, block: Block, side: int, rng: np.random.Generator) -> None:
        """Paints pavement, kerb, verge and the ground behind them, on one side."""
        section = self._street.section
        kerb, frontage = section.kerb(side), section.frontage(side)
        out = sheet.d  # metres from the centre line
        built = np.ones((_ROWS, 1), bool)
        lawn = np.zeros((_ROWS, 1), bool)
        for plot in block.plots[side > 0]:
            within = (sheet.s >= plot.start) & (sheet.s < plot.end)
            built[within] = plot.kind != 'side_street'
            lawn[within] = plot.kind in ('park', 'house')

        sheet.color[(out > kerb - 0.12) & (out <= kerb) & built] *= np.float32(0.72)  # gutter
        # Give-way line across the mouth of a side street.
        mouth = (out > kerb - 0.25) & (out <= kerb - 0.05) & ((sheet.s / 0.9) % 1 < 0.6)[:, None]
        sheet.color[mouth & ~built] = np.array(_WHITE, np.float32) * 0.9

        slab_s, slab_d = sheet.s / self._slab, out / (self._slab * 0.67)
        tones = rng.normal(1, 0.045, (64, 64)).astype(np.float32)
        tone = tones[np.ix_(slab_s.astype(int) % 64, np.floor(slab_d).astype(int) % 64)]
        seam = (slab_s % 1 < 0.05)[:, None] | (slab_d % 1 < 0.05)[None, :]
        blotches, grain = (
            self._cut(noise, rng)[:, : len(out)] for noise in (self._blotches, self._grain)
        )
        tone = tone * np.where(seam, np.float32(0.8), np.float32(1)) * (1 + 0.05 * blotches)
        grass = 1 + 0.12 * grain + 0.1 * blotches
        sheet.lay((out > kerb) & built, self._paving, tone, classes.PAVEMENT)
        sheet.lay((out > frontage) & lawn, self._grass, grass, classes.TREE)
        if self._street.traits['verge'] < 0.18 and section.pavement[side > 0] > 2.8:
            verge = (out > kerb) & (out <= kerb + 1.1) & built
            sheet.lay(verge, self._grass, grass, classes.TREE)
        stone = (out > kerb) & (out <= kerb + 0.14) & built
        sheet.lay(stone, self._kerb, np.ones_like(grass), classes.PAVEMENT)
