# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The synthetic drive: camera frames of a street with exact labels, generated from a seed.

    drive = SyntheticDrive(seed=3)
    image, labels = drive.frame(0)

The street is a three-dimensional world, seen by a pinhole camera on the roof of a car. The seed
determines buildings, widths, objects, traffic, light, season and camera. Labels are the eleven
classes of CamVid. They are drawn together with the colours.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import cv2
import numpy as np

from bisenet_ros.synthetic import classes
from bisenet_ros.synthetic.camera import Array, Camera, intrinsics, rotation
from bisenet_ros.synthetic.ground import Ground
from bisenet_ros.synthetic.lens import Lens
from bisenet_ros.synthetic.light import make_light
from bisenet_ros.synthetic.painter import Painter
from bisenet_ros.synthetic.rng import stream
from bisenet_ros.synthetic.roadside import Roadside
from bisenet_ros.synthetic.shadows import light_ground
from bisenet_ros.synthetic.sky import Sky, add_glare
from bisenet_ros.synthetic.street import BLOCK, Street
from bisenet_ros.synthetic.things import Thing, farthest_first
from bisenet_ros.synthetic.traffic import Traffic

_VIEW = 140.0  # metres ahead within which things are drawn


class SyntheticDrive:
    """A drive down a synthetic street.

    Frames can be requested in any order; the same (seed, index, size) gives the same bytes.

    Attributes:
        size: (width, height) of the frames, pixels.
        rate: Frames per second.
        camera_matrix: (3, 3) float64 pinhole intrinsics, pixels, without distortion.
        mounting_height: Height of the camera above the ground at rest, metres.
    """

    def __init__(
        self, seed: int = 0, size: tuple[int, int] = (480, 360), rate: float = 15.0
    ) -> None:
        """Plans a drive; blocks are created when they come into view.

        Args:
            seed: Selects street, weather and camera; any whole number.
            size: (width, height) of the frames, pixels.
            rate: Frames per second.
        """
        self.size = size
        self.rate = rate
        rng = stream(seed, 'mounting')
        self._seed = seed
        self.mounting_height = float(rng.uniform(1.25, 1.7))
        self._pitch = float(rng.uniform(0.0, 0.032))
        self._yaw = float(rng.normal(0, 0.03))
        self.camera_matrix = intrinsics(size)
        self._light = make_light(seed)
        self._street = Street(seed)
        self._sky = Sky(seed, self._light)
        self._ground = Ground(self._street)
        self._roadside = Roadside(self._street, self._light)
        self._traffic = Traffic(self._street, self._light)
        self._lens = Lens(seed, size, self._light.exposure)
        self._standing = lru_cache(maxsize=6)(self._roadside.things)

    @property
    def mounting(self) -> tuple[float, float, float, float, float, float]:
        """The camera's pose at rest, in the format of the parameter `mounting`; origin below it."""
        return 0.0, 0.0, self.mounting_height, 0.0, self._pitch, -self._yaw

    def camera(self, index: int) -> Camera:
        """Returns the true camera of a frame, including its pose.

        The vehicle's springs make it pitch, roll and heave slightly around the mounting.
        """
        time = index / self.rate
        ego = self._traffic.ego(time)
        jolt = stream(self._seed, 'jolt', index).normal(0, 1, 3)
        pitch = self._pitch + 0.004 * np.sin(5.1 * time) + 0.0012 * jolt[0]
        roll = 0.005 * np.sin(2.3 * time + 1) + 0.0012 * jolt[1]
        height = self.mounting_height + 0.015 * np.sin(6.3 * time) + 0.003 * jolt[2]
        return Camera(
            matrix=self.camera_matrix,
            rotation=rotation(ego.yaw + self._yaw, pitch, roll),
            position=self._street.centreline.point(ego.s, ego.d, height),
            size=self.size,
        )

    def frame(self, index: int) -> tuple[Array, Array]:
        """Renders a frame.

        Args:
            index: Frame number; the frame is at time `index / rate` of the drive.

        Returns:
            (H, W, 3) uint8 BGR image and (H, W) uint8 class ids, both contiguous.
        """
        camera = self.camera(index)
        things = self._things(index, camera)
        painter = Painter(camera, self._light)
        self._paint_distance(painter, things)
        for thing in things:
            thing.draw(painter)
        picture = np.ascontiguousarray(painter.canvas[..., :3])
        add_glare(picture, camera, self._light)
        return self._lens.expose(picture, index), np.ascontiguousarray(painter.canvas[..., 3])

    def frames(self, count: int, start: int = 0) -> Iterator[tuple[Array, Array]]:
        """Yields `count` frames from `start` on."""
        return (self.frame(index) for index in range(start, start + count))

    def _things(self, index: int, camera: Camera) -> list[Thing]:
        """Returns everything that may be in view, the farthest first."""
        near = float(camera.position[2])
        first, last = int(np.floor((near - 15) / BLOCK)), int(np.floor((near + _VIEW) / BLOCK))
        things = [thing for number in range(first, last + 1) for thing in self._standing(number)]
        things += self._traffic.things(index / self.rate)
        things.append(self._roadside.distance(near + _VIEW + 25))
        return farthest_first(things, camera)

    def _paint_distance(self, painter: Painter, things: list[Thing]) -> None:
        """Paints sky, ground and the end of the street."""
        camera, canvas, light = painter.camera, painter.canvas, self._light
        height = canvas.shape[0]
        rows = camera.horizon()
        above = int(np.clip(np.ceil(max(rows)) + 1, 1, height))
        first = int(np.clip(np.floor(min(rows)), 0, height - 1))
        canvas[:above, :, :3] = self._sky.look(camera, above)
        canvas[:above, :, 3] = classes.SKY

        x, z = camera.ground_points(first)
        line = self._street.centreline
        reach = float(camera.matrix[0, 0]) * camera.height
        color, label = self._ground.look(z, x - line.x(z), float(camera.position[2]), reach)
        color = light_ground(color, things, camera, light, first)
        color = self._haze(color, z - np.float32(camera.position[2]))
        left, right = rows
        horizon = np.linspace(left, right, self.size[0])
        whole = above - first  # rows from here on are entirely below the horizon
        canvas[above:, :, :3] = color[whole:]
        canvas[above:, :, 3] = label[whole:]
        below = np.arange(first, above)[:, None] > horizon[None, :]
        canvas[first:above, :, :3][below] = color[:whole][below]
        canvas[first:above, :, 3][below] = label[:whole][below]

    def _haze(self, color: Array, depth: Array) -> Array:
        """Adds haze to the far rows of the ground; (R, W, 3) uint8 and (R, W) metres."""
        # In rows before this one, haze takes a hundredth of the contrast or more.
        far = int(np.searchsorted(-depth.mean(1), -0.01 * self._light.haze_distance))
        if far == 0:
            return color
        share = 1 - np.exp(-np.minimum(depth[:far], 1e4) / np.float32(self._light.haze_distance))
        veil = np.broadcast_to(
            np.clip(self._light.skyline, 0, 255).astype(np.uint8), color[:far].shape
        )
        color[:far] = cv2.blendLinear(color[:far], np.ascontiguousarray(veil), 1 - share, share)
        return color
