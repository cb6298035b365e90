# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The static things along a block of the street."""

from __future__ import annotations

import numpy as np

from bisenet_ros.synthetic import furniture
from bisenet_ros.synthetic.buildings import background_block, make_building
from bisenet_ros.synthetic.camera import Array
from bisenet_ros.synthetic.light import Light
from bisenet_ros.synthetic.people import make_outfit, pedestrian
from bisenet_ros.synthetic.rng import pick, stream
from bisenet_ros.synthetic.street import BLOCK, LEFT, RIGHT, Block, Plot, Street
from bisenet_ros.synthetic.things import Thing
from bisenet_ros.synthetic.trees import Nursery
from bisenet_ros.synthetic.vehicles import make_vehicle

_PARKING_PITCH = 5.5  # metres from one parking space to the next
_BRICKS = ((72, 88, 124), (108, 140, 164), (84, 98, 118))
_BUILT = ('shop', 'terrace', 'house', 'office')


class Roadside:
    """Sets up the blocks of one drive."""

    def __init__(self, street: Street, light: Light) -> None:
        """Creates the drive's plants; `things` builds the blocks one by one."""
        self._street = street
        self._light = light
        self._nursery = Nursery(street.seed, light, street.traits['leaves'])

    def things(self, number: int) -> tuple[Thing, ...]:
        """Builds the things of the block that covers `s` from `number * BLOCK`."""
        block = self._street.block(number)
        found: list[Thing] = []
        for side in (LEFT, RIGHT):
            rng = stream(self._street.seed, 'roadside', number, side)
            found += self._background(block, side, rng)
            for plot in block.plots[side > 0]:
                found += self._plot(plot, side, rng)
            found += self._kerbside(block, side, rng)
            found += self._parked(block, side, rng)
        return tuple(found)

    def distance(self, s: float) -> Thing:
        """Builds the trees at the end of the view, around `s`."""
        middle, wide = self._street.centreline.point(s, 0.0), np.array([100.0, 0.0, 0.0])
        return Thing(middle, (self._nursery.row(middle - wide, middle + wide, 9.0),))

    def _point(self, s: float, side: int, distance: float, height: float = 0.0) -> Array:
        """Returns the world point at a distance from the centre line on a side, metres."""
        return self._street.centreline.point(s, side * distance, height)

    def _background(self, block: Block, side: int, rng: np.random.Generator) -> list[Thing]:
        """Builds the second row, which is visible through gaps in the first."""
        found: list[Thing] = []
        here = block.start
        while here < block.start + BLOCK:
            until = here + rng.uniform(14, 26)
            distance = self._street.section.frontage(side) + rng.uniform(18, 30)
            near, far = self._point(here, side, distance), self._point(until, side, distance)
            # The anchor is far back, so that everything in the first row is drawn later.
            anchor = far + np.array([0.0, 0.0, 28.0])
            if rng.random() < 0.35:
                found.append(Thing(anchor, (self._nursery.row(near, far, rng.uniform(6, 12)),)))
            else:
                found.append(Thing(anchor, (background_block(near, far, side, rng, self._light),)))
            here = until
        return found

    def _plot(self, plot: Plot, side: int, rng: np.random.Generator) -> list[Thing]:
        if plot.kind in _BUILT:
            return self._built(plot, side, rng)
        if plot.kind == 'side_street':
            return self._side_street(plot, side, rng)
        return self._open(plot, side, rng)

    def _built(self, plot: Plot, side: int, rng: np.random.Generator) -> list[Thing]:
        setback = {
            'shop': 0.0,
            'terrace': rng.uniform(-0.8, 2.2),
            'house': rng.uniform(2.5, 6),
            'office': rng.uniform(-2, 4),
        }[plot.kind]
        setback = max(setback, 0.0)
        gap = rng.uniform(0.6, 1.6) if plot.kind == 'house' else 0.0
        front = self._street.section.frontage(side)
        span = (plot.start + gap, plot.end - gap)
        line = self._street.centreline
        found = [make_building(plot.kind, line, side, span, front + setback, rng, self._light)]
        if setback > 0.9:
            found += self._boundary(plot.start, plot.end, side, rng, gate=setback < 9)
        if plot.kind == 'house':
            for _ in range(int(rng.integers(0, 4))):
                s = rng.uniform(plot.start, plot.end)
                foot = self._point(s, side, front + rng.uniform(0.6, setback - 0.5))
                found.append(self._nursery.bush(foot, rng.uniform(0.8, 2.4), rng))
            if rng.random() < 0.3:
                foot = self._point(rng.uniform(*span), side, front + setback * 0.5)
                found.append(self._nursery.tree(foot, rng.uniform(4, 8), rng))
        if plot.kind == 'shop' and rng.random() < 0.5:
            at = self._point(rng.uniform(*span), side, front, rng.uniform(2.9, 4.2))
            found.append(furniture.shop_sign(at, side, rng, self._light))
        return found

    def _boundary(
        self, start: float, end: float, side: int, rng: np.random.Generator, *, gate: bool
    ) -> list[Thing]:
        """Builds a wall, hedge or fence along the back of the pavement, with a gap for a gate."""
        light, distance = self._light, self._street.section.frontage(side) + 0.05
        pieces = [(start, end)]
        if gate:
            opening = rng.uniform(start + 0.5, end - 1.6)
            pieces = [(start, opening), (opening + rng.uniform(0.9, 1.6), end)]
        kind, height = rng.random(), rng.uniform(0.6, 1.3)
        color = pick(rng, _BRICKS)
        found: list[Thing] = []
        for s0, s1 in pieces:
            if s1 - s0 < 0.8:
                continue
            near, far = self._point(s0, side, distance), self._point(s1, side, distance)
            if kind < 0.3:
                found.append(furniture.garden_wall(near, far, side, height, color, light))
            elif kind < 0.58:
                leaves = self._nursery.hedge_pixels
                found.append(furniture.hedge(near, far, side, height + 0.5, leaves, light))
            elif kind < 0.82:
                found.append(furniture.railing(near, far, height + 0.3, rng, light))
            else:
                found.append(furniture.board_fence(near, far, side, rng, light))
        return found

    def _open(self, plot: Plot, side: int, rng: np.random.Generator) -> list[Thing]:
        """Builds a park or a yard: a boundary and plants behind it."""
        front = self._street.section.frontage(side)
        found: list[Thing] = []
        if plot.kind == 'yard' and rng.random() < 0.6:
            near, far = (self._point(s, side, front + 0.05) for s in (plot.start, plot.end))
            color = pick(rng, _BRICKS)
            height = rng.uniform(1.6, 3.0)
            found.append(furniture.garden_wall(near, far, side, height, color, self._light))
        elif rng.random() < 0.85:
            found += self._boundary(plot.start, plot.end, side, rng, gate=False)
        for s in np.arange(plot.start + 2, plot.end - 1, rng.uniform(4.5, 9)):
            foot = self._point(s + rng.normal(0, 0.8), side, front + rng.uniform(2.5, 9))
            found.append(self._nursery.tree(foot, rng.uniform(6, 14), rng))
        for _ in range(int(rng.integers(0, 5))):
            foot = self._point(rng.uniform(plot.start, plot.end), side, front + rng.uniform(1.5, 6))
            found.append(self._nursery.bush(foot, rng.uniform(1, 3), rng))
        if rng.random() < 0.35:
            foot = self._point(rng.uniform(plot.start, plot.end), side, front - 0.4)
            found.append(furniture.billboard(foot, rng, self._light))
        return found

    def _side_street(self, plot: Plot, side: int, rng: np.random.Generator) -> list[Thing]:
        kerb, light = self._street.section.kerb(side), self._light
        middle = (plot.start + plot.end) / 2
        found: list[Thing] = []
        if rng.random() < 0.4:
            foot = self._point(middle - 1.2, side, kerb + rng.uniform(3, 9))
            found.append(make_vehicle(rng, light, parked=True).at(foot, -side * np.pi / 2, light))
        if rng.random() < 0.7:
            foot = self._point(plot.end + 0.6, side, kerb + 0.5)
            found.append(furniture.road_sign(foot, rng, light))
        if rng.random() < 0.35:
            foot = self._point(plot.start - 1.0, side, kerb + 0.5)
            found.append(furniture.traffic_light(foot, rng, light))
        return found

    def _kerbside(self, block: Block, side: int, rng: np.random.Generator) -> list[Thing]:
        """Builds posts, signs, trees, railings and people between kerb and pavement."""
        section, traits, light = self._street.section, self._street.traits, self._light
        kerb, pavement = section.kerb(side), section.pavement[side > 0]
        found: list[Thing] = []

        def foot(s: float, distance: float) -> Array:
            return self._point(s, side, kerb + distance)

        def anywhere() -> float:
            return float(block.start + rng.uniform(0, BLOCK))

        taken = [p for p in block.plots[side > 0] if p.kind == 'side_street']

        def clear(s: float) -> bool:
            return all(not p.start - 0.5 < s < p.end + 0.5 for p in taken)

        for s in block.start + np.array([11.0, 35.0]) + (6.0 if side > 0 else 0.0):
            if clear(s) and rng.random() < 0.45 + 0.5 * traits['lamps']:
                found.append(furniture.lamp_post(foot(s, 0.4), side, rng, light))
        for _ in range(int(rng.poisson(2.4))):
            if clear(s := anywhere()):
                found.append(furniture.road_sign(foot(s, 0.45), rng, light))
        if rng.random() < 0.3 and clear(s := anywhere()):
            found.append(furniture.billboard(foot(s, 0.7), rng, light))
        if block.crossing is not None:
            near = block.crossing + (-2.0 if side == section.ego_side else 2.0)
            found.append(furniture.belisha_beacon(foot(near, 0.35), light))
            if rng.random() < 0.4:
                found.append(furniture.traffic_light(foot(near - 1, 0.5), rng, light))
        elif rng.random() < 0.25 and clear(s := anywhere()):
            found.append(furniture.traffic_light(foot(s, 0.45), rng, light))
        if pavement > 2.2 and traits['trees'] > 0.7:
            for s in block.start + np.arange(4, BLOCK, rng.uniform(8, 14)):
                if clear(s):
                    found.append(self._nursery.tree(foot(s, 0.6), rng.uniform(5, 10), rng))
        if rng.random() < 0.22:
            start = block.start + rng.uniform(14, 24)
            end = start + rng.uniform(6, 20)
            found += [
                furniture.railing(foot(s, 0.2), foot(min(s + 6, end), 0.2), 1.05, rng, light)
                for s in np.arange(start, end, 6.0)
                if clear(s)
            ]
        elif rng.random() < 0.25:
            start = block.start + rng.uniform(14, 30)
            for s in np.arange(start, start + rng.uniform(4, 14), 1.6):
                found.append(furniture.bollard(foot(s, 0.3), rng, light))
        for _ in range(int(rng.poisson(2.2 * traits['people']))):
            if clear(s := anywhere()):
                outfit, yaw = make_outfit(rng), rng.uniform(-np.pi, np.pi)
                at = foot(s, rng.uniform(0.5, 0.9) * pavement)
                found.append(pedestrian(outfit, at, yaw, rng.uniform(-0.3, 0.3), light))
        return found

    def _parked(self, block: Block, side: int, rng: np.random.Generator) -> list[Thing]:
        section = self._street.section
        if not section.parking[side > 0]:
            return []
        found: list[Thing] = []
        density = rng.uniform(0.2, 0.95)
        ahead = side == section.ego_side
        blocked = [
            (p.start - 3.5, p.end + 3.5) for p in block.plots[side > 0] if p.kind == 'side_street'
        ]
        if block.crossing is not None:
            blocked.append((block.crossing - 9, block.crossing + 9))
        for space in np.arange(block.start, block.start + BLOCK - 1, _PARKING_PITCH):
            s = space + _PARKING_PITCH / 2
            if rng.random() > density or any(low < s < high for low, high in blocked):
                continue
            at = self._point(s + rng.normal(0, 0.25), side, section.kerb(side) - 1.05)
            yaw = self._street.centreline.heading(s) + rng.normal(0, 0.015)
            vehicle = make_vehicle(rng, self._light, parked=True)
            found.append(vehicle.at(at, yaw if ahead else yaw + np.pi, self._light))
        return found
