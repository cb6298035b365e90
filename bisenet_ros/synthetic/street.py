# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The plan of the street: its bends, its widths, and the plots along it.

Street coordinates are `(s, d)` in metres. `s` is the world's z, along the street. `d` is the
offset to the right of the centre line. The street is endless and consists of blocks of `BLOCK`
metres. Each block is drawn from a random stream of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from bisenet_ros.synthetic.camera import Array
from bisenet_ros.synthetic.rng import stream

BLOCK = 48.0  # length of a block, metres
LEFT, RIGHT = -1, 1  # sides of the street, the sign of d


@dataclass(frozen=True)
class Centreline:
    """The bends of the street: a sum of slow sine waves.

    Attributes:
        waves: (N, 3): amplitude in metres, wavelength in metres, phase in radians.
    """

    waves: Array

    def x(self, s: Array) -> Array:
        """Returns world x of the centre line at `s`, metres, in the dtype of `s`."""
        total = np.zeros_like(s)
        for amplitude, wavelength, phase in self.waves.tolist():
            total += amplitude * np.sin(s * (2 * np.pi / wavelength) + phase)
        return total

    def heading(self, s: float) -> float:
        """Returns the heading of the street at `s`, radians to the right of world z."""
        amplitude, wavelength, phase = self.waves.T
        rate = 2 * np.pi / wavelength
        return float(np.arctan((amplitude * rate * np.cos(s * rate + phase)).sum()))

    def point(self, s: float, d: float, height: float = 0.0) -> Array:
        """Returns the world point at street coordinates and a height above the ground, metres."""
        return np.array([float(self.x(np.array(s, float))) + d, -height, s])


@dataclass(frozen=True)
class CrossSection:
    """The widths of the street's parts in metres, constant along the whole drive.

    Pairs are (left, right).

    Attributes:
        lane: Width of the one lane in each direction.
        margin: Room for cyclists between lane and parking bay or kerb.
        parking: Width of the parking bay, 0 for none.
        pavement: Width of the pavement.
        keep_left: Whether traffic keeps left.
    """

    lane: float
    margin: float
    parking: tuple[float, float]
    pavement: tuple[float, float]
    keep_left: bool

    def kerb(self, side: int) -> float:
        """Returns the distance from the centre line to the kerb on a side, metres."""
        return self.lane + self.margin + self.parking[side > 0]

    def frontage(self, side: int) -> float:
        """Returns the distance from the centre line to the back of the pavement, metres."""
        return self.kerb(side) + self.pavement[side > 0]

    @property
    def ego_side(self) -> int:
        """The side that the ego drives on."""
        return LEFT if self.keep_left else RIGHT


@dataclass(frozen=True)
class Plot:
    """A stretch of one side of the street.

    Attributes:
        start: `s` where it begins, metres.
        end: `s` where it ends, metres.
        kind: 'shop', 'terrace', 'house', 'office', 'park', 'yard' or 'side_street'.
    """

    start: float
    end: float
    kind: str


@dataclass(frozen=True)
class Block:
    """One block of the street.

    Attributes:
        number: Index of the block; it covers `s` from `number * BLOCK`.
        plots: Plots on the left and on the right.
        crossing: `s` of the middle of a zebra crossing, None for none.
    """

    number: int
    plots: tuple[tuple[Plot, ...], tuple[Plot, ...]]
    crossing: float | None

    @property
    def start(self) -> float:
        """`s` of the block's beginning, metres."""
        return self.number * BLOCK


_WIDTHS = {  # metres of frontage: minimum, maximum
    'shop': (5.0, 11.0),
    'terrace': (4.8, 7.5),
    'house': (8.0, 15.0),
    'office': (14.0, 26.0),
    'park': (14.0, 40.0),
    'yard': (10.0, 22.0),
    'side_street': (7.0, 11.0),
}

_QUARTERS = (  # composition of the parts of a town
    {'shop': 0.72, 'office': 0.12, 'terrace': 0.1, 'yard': 0.06},
    {'terrace': 0.6, 'house': 0.2, 'shop': 0.1, 'park': 0.1},
    {'house': 0.5, 'park': 0.15, 'terrace': 0.25, 'yard': 0.1},
    {'office': 0.6, 'shop': 0.25, 'park': 0.05, 'yard': 0.1},
    {'park': 0.35, 'yard': 0.25, 'house': 0.3, 'office': 0.1},
    {'shop': 0.5, 'terrace': 0.3, 'office': 0.15, 'park': 0.05},
)
_QUARTER_BLOCKS = 3  # blocks before the street enters another part of town
_TRAITS = ('leaves', 'wear', 'verge', 'lamps', 'traffic', 'people', 'edge_lines', 'trees')


class Street:
    """The plan of one drive's street.

    Attributes:
        seed: The drive's seed.
        centreline: Its bends.
        section: Its widths.
        traits: Properties of the whole street, each uniform in 0 to 1: 'leaves' on the trees,
            'wear' of the surface, 'verge', 'lamps', 'traffic', 'people', 'edge_lines', 'trees'.
    """

    def __init__(self, seed: int) -> None:
        """Plans the street of a drive."""
        rng = stream(seed, 'street')
        self.seed = seed
        bends = [
            [rng.uniform(0, 7), rng.uniform(260, 420), rng.uniform(0, 2 * np.pi)],
            [rng.uniform(0, 1.5), rng.uniform(110, 190), rng.uniform(0, 2 * np.pi)],
        ]
        self.centreline = Centreline(np.array(bends))
        parking = rng.random(2) < 0.42
        pavement = rng.uniform(1.8, 4.8, 2)
        self.section = CrossSection(
            lane=float(rng.uniform(2.7, 3.7)),
            margin=float(rng.uniform(0.3, 1.4)),
            parking=(2.1 * bool(parking[0]), 2.1 * bool(parking[1])),
            pavement=(float(pavement[0]), float(pavement[1])),
            keep_left=bool(rng.random() < 0.75),
        )
        self.traits = dict(zip(_TRAITS, rng.random(len(_TRAITS)).tolist(), strict=True))
        self._quarters = rng.integers(0, len(_QUARTERS), (2, 16))  # the two sides differ
        self.block = lru_cache(maxsize=64)(self._plan)

    def _plan(self, number: int) -> Block:
        """Plans the block that covers `s` from `number * BLOCK`."""
        rng = stream(self.seed, 'block', number)
        left, right = (self._plots(number, side, rng) for side in range(2))
        crossing = (number + rng.uniform(0.35, 0.7)) * BLOCK if rng.random() < 0.3 else None
        return Block(number, (left, right), crossing)

    def _plots(self, number: int, side: int, rng: np.random.Generator) -> tuple[Plot, ...]:
        mix = _QUARTERS[self._quarters[side, (number // _QUARTER_BLOCKS) % 16]]
        here, end = number * BLOCK, (number + 1) * BLOCK
        plots: list[Plot] = []
        if rng.random() < 0.28:
            here += rng.uniform(*_WIDTHS['side_street'])
            plots.append(Plot(number * BLOCK, here, 'side_street'))
        while here < end:
            kind = str(rng.choice(list(mix), p=list(mix.values())))
            until = here + rng.uniform(*_WIDTHS[kind])
            if end - until < 5.0:
                until = end
            plots.append(Plot(here, until, kind))
            here = until
        return tuple(plots)
