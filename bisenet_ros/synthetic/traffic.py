# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Moving things: the ego, other vehicles, cyclists and pedestrians, at any time of the drive.

They travel in queues of equally spaced places. A random stream for each place determines whether it
is taken. So the traffic at a time depends only on the time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from bisenet_ros.synthetic.light import Light
from bisenet_ros.synthetic.people import Outfit, cyclist, make_outfit, pedestrian
from bisenet_ros.synthetic.rng import pick, stream
from bisenet_ros.synthetic.street import BLOCK, LEFT, RIGHT, Street
from bisenet_ros.synthetic.things import Thing
from bisenet_ros.synthetic.vehicles import Vehicle, make_vehicle

_BEHIND, _AHEAD = -4.0, 120.0  # metres from the ego within which traffic is drawn
_EGO_SPEED = 10.0  # metres per second
_BICYCLES = ((40, 40, 150), (120, 80, 40), (40, 42, 42), (60, 130, 70), (190, 192, 194))


@dataclass(frozen=True)
class Ego:
    """The position of the ego.

    Attributes:
        s: Metres along the street.
        d: Metres to the right of the centre line.
        yaw: Heading to the right of world z, radians.
    """

    s: float
    d: float
    yaw: float


class Traffic:
    """The traffic of one drive."""

    def __init__(self, street: Street, light: Light) -> None:
        """Draws the parameters of the traffic."""
        rng = stream(street.seed, 'traffic')
        self._street = street
        self._light = light
        self._begin = float(rng.uniform(0, 3000))
        self._phase = float(rng.uniform(0, 2 * np.pi))
        self._oncoming_speed = float(rng.uniform(8, 13))
        self._density = 0.15 + 0.75 * street.traits['traffic']
        self._people = 0.15 + 0.85 * street.traits['people']
        self._vehicle = lru_cache(maxsize=64)(self._draw_vehicle)
        self._outfit = lru_cache(maxsize=256)(self._draw_outfit)

    def ego(self, time: float) -> Ego:
        """Returns the ego's position at a time in seconds."""
        s = self._begin + _EGO_SPEED * time + 6 * np.sin(0.21 * time + self._phase)
        section = self._street.section
        d = section.ego_side * section.lane / 2 + 0.18 * np.sin(0.45 * time + self._phase)
        drift = 0.18 * 0.45 * np.cos(0.45 * time + self._phase) / _EGO_SPEED
        return Ego(float(s), float(d), self._street.centreline.heading(float(s)) + float(drift))

    def things(self, time: float) -> list[Thing]:
        """Builds everything that moves near the ego at a time in seconds."""
        ego = self.ego(time)
        found = [*self._vehicles(time, ego), *self._cyclists(time, ego)]
        for side in (LEFT, RIGHT):
            found += self._walkers(time, ego, side)
        found += self._crossers(ego)
        return found

    def _draw_vehicle(self, queue: str, place: int) -> Vehicle | None:
        rng = stream(self._street.seed, queue, place)
        return make_vehicle(rng, self._light) if rng.random() < self._density else None

    def _draw_outfit(
        self, queue: str, place: int, share: float
    ) -> tuple[Outfit, float, float] | None:
        """Draws a person, and offsets across and along in 0 to 1; None for an empty place."""
        rng = stream(self._street.seed, queue, place)
        if rng.random() > share:
            return None
        bright = 0.4 if queue.startswith('cyclist') else 0.05
        return make_outfit(rng, bright=bright), float(rng.random()), float(rng.random())

    @staticmethod
    def _queue(ego: Ego, moved: float, spacing: float) -> Iterator[tuple[int, float]]:
        """Yields a queue's places near the ego and their `s` after it moved `moved` metres."""
        first = int(np.ceil((ego.s + _BEHIND - spacing - moved) / spacing))
        last = int(np.floor((ego.s + _AHEAD - moved) / spacing))
        for place in range(first, last + 1):
            yield place, place * spacing + moved

    def _vehicles(self, time: float, ego: Ego) -> Iterator[Thing]:
        section, line = self._street.section, self._street.centreline
        for place, s in self._queue(ego, -self._oncoming_speed * time, 21.0):
            vehicle = self._vehicle('oncoming', place)
            if vehicle is not None:
                s += 4 * np.sin(place * 2.4)
                at = line.point(s, -section.ego_side * section.lane / 2)
                yield vehicle.at(at, line.heading(s) + np.pi, self._light)
        for place in range(5):  # vehicles ahead of the ego roughly keep their distance to it
            vehicle = self._vehicle('ahead', place)
            if vehicle is not None:
                gap = 17 + 18 * place + (4 + place) * np.sin(0.3 * time + 1.7 * place + self._phase)
                s = ego.s + gap + vehicle.shape.length / 2
                at = line.point(s, section.ego_side * section.lane / 2)
                yield vehicle.at(at, line.heading(s), self._light)

    def _cyclists(self, time: float, ego: Ego) -> Iterator[Thing]:
        section, line, light = self._street.section, self._street.centreline, self._light
        share = 0.25 + 0.5 * self._people
        for name, way, speed in (('cyclist', 1, 5.0), ('cyclist_oncoming', -1, 4.5)):
            for place, s in self._queue(ego, way * speed * time, 26.0):
                drawn = self._outfit(name, place, share)
                if drawn is not None:
                    outfit, across, along = drawn
                    s += 8 * along
                    side = way * section.ego_side
                    d = side * (section.lane - 0.15 + across * max(section.margin - 0.3, 0))
                    yaw = line.heading(s) + (0 if way > 0 else np.pi)
                    frame = pick(stream(self._street.seed, 'bicycle', place), _BICYCLES)
                    at = line.point(s, d)
                    yield cyclist(outfit, frame, at, yaw, 5.5 * time + place, light)

    def _walkers(self, time: float, ego: Ego, side: int) -> Iterator[Thing]:
        section, line = self._street.section, self._street.centreline
        kerb, pavement = section.kerb(side), section.pavement[side > 0]
        for way, speed in ((1, 1.35), (-1, 1.25)):
            for place, s in self._queue(ego, way * speed * time, 6.5):
                drawn = self._outfit(f'walker{side}{way}', place, 0.42 * self._people)
                if drawn is not None:
                    outfit, across, along = drawn
                    s += 5 * along
                    at = line.point(s, side * (kerb + 0.7 + across * (pavement - 1.1)))
                    yaw = line.heading(s) + (0 if way > 0 else np.pi)
                    stride = 2 * np.pi * 0.95 * time + 9 * along
                    yield pedestrian(outfit, at, yaw, stride, self._light)

    def _crossers(self, ego: Ego) -> Iterator[Thing]:
        """Yields people on zebra crossings, who have crossed before the ego arrives."""
        section, line = self._street.section, self._street.centreline
        first = int(np.floor(ego.s / BLOCK))
        for number in range(first, first + 3):
            crossing = self._street.block(number).crossing
            if crossing is None:
                continue
            for person in range(3):
                drawn = self._outfit('crosser', 8 * number + person, 0.3 + 0.6 * self._people)
                if drawn is None:
                    continue
                outfit, across, along = drawn
                way = 1 if across < 0.5 else -1
                start = 85.0 - 25 * along  # the ego's distance when the person sets out, metres
                share = (start - (crossing - ego.s)) / 42.0
                if not -0.05 < share < 1.05 or crossing < ego.s:
                    continue
                ends = section.kerb(-way), section.kerb(way)
                d = way * (-ends[0] - 0.6 + share * (sum(ends) + 1.2))
                at = line.point(crossing + 2 * (along - 0.5), d)
                yaw = line.heading(crossing) + way * np.pi / 2
                yield pedestrian(outfit, at, yaw, 40 * share, self._light)
