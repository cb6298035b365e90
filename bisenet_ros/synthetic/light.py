# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Light and weather: the sun, the light of the sky, haze."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bisenet_ros.synthetic.camera import Array
from bisenet_ros.synthetic.rng import stream


@dataclass(frozen=True)
class Light:
    """Light of the scene. Colours and factors are BGR.

    Attributes:
        toward_sun: (3,) unit vector to the sun in the world frame (x right, y down, z forward).
        sun: Factors of direct sunlight on a surface that faces the sun; zeros when overcast.
        ambient: Factors of the light from the sky.
        zenith: Colour of the sky overhead.
        skyline: Colour of the sky at the horizon and of haze.
        cloud: Colour of the clouds.
        cloud_cover: Share of the sky under clouds, 0 to 1.
        haze_distance: Metres over which haze takes 63 % of the contrast.
        glare: Strength of the glare around the sun in the image, 0 to 1.
        exposure: Factor on the brightness of the finished picture.
        dark: Whether vehicles have their lights on.
    """

    toward_sun: Array
    sun: Array
    ambient: Array
    zenith: Array
    skyline: Array
    cloud: Array
    cloud_cover: float
    haze_distance: float
    glare: float
    exposure: float
    dark: bool

    @property
    def casts_shadows(self) -> bool:
        """Whether the sun is visible."""
        return bool(self.sun.max() > 0.05)

    def on(self, normals: Array) -> Array:
        """Returns the light on surfaces.

        Args:
            normals: (N, 3) unit normals in the world frame.

        Returns:
            (N, 3) factors.
        """
        from_sky = 0.68 - 0.32 * normals[:, 1:2]  # y is down: upward surfaces see more of the sky
        from_sun = np.clip(normals @ self.toward_sun, 0, None)[:, None]
        lit: Array = self.ambient * from_sky + self.sun * from_sun
        return lit

    def haze(self, depth: float) -> float:
        """Returns the share of haze, 0 to 1, in front of a surface `depth` metres away."""
        return float(1.0 - np.exp(-max(depth, 0.0) / self.haze_distance))

    def shadow_reach(self) -> Array:
        """Returns the (3,) vector from the top of a one-metre stick to its shadow's end, metres."""
        reach: Array = self.toward_sun / self.toward_sun[1]
        return reach


def make_light(seed: int) -> Light:
    """Draws the random light of a drive: bright, overcast, sunny, low sun or dusk."""
    rng = stream(seed, 'light')
    kind = rng.choice(
        ['bright', 'overcast', 'sunny', 'low_sun', 'dusk'], p=[0.29, 0.18, 0.27, 0.13, 0.13]
    )
    azimuth = rng.uniform(-np.pi, np.pi)
    elevation = np.radians(rng.uniform(28, 55))
    cover, haze, glare, exposure = 0.8, rng.uniform(350, 900), 0.0, rng.uniform(0.95, 1.3)
    if kind == 'bright':  # thin high cloud, overexposed sky: most of a British winter
        sun = np.array([0.34, 0.38, 0.42]) * rng.uniform(0.2, 1.0)
        ambient = np.array([0.66, 0.64, 0.62])
        zenith = [252, 248, 244] if rng.random() < 0.6 else [250, 230, 208]
        skyline, cloud = [254, 253, 252], [253, 252, 251]
        exposure *= 1.1
    elif kind == 'overcast':
        sun, ambient = np.zeros(3), np.array([0.80, 0.78, 0.76])
        zenith, skyline, cloud = [200, 193, 184], [244, 240, 236], [226, 220, 213]
    elif kind == 'sunny':
        sun, ambient = np.array([0.62, 0.68, 0.74]), np.array([0.44, 0.41, 0.39])
        zenith, skyline, cloud = [225, 172, 112], [250, 236, 218], [252, 252, 252]
        cover, glare = rng.uniform(0.0, 0.5), 0.35
    elif kind == 'low_sun':
        azimuth = rng.choice([-1, 1]) * rng.uniform(0.05, 2.2)
        elevation = np.radians(rng.uniform(10, 20))
        sun, ambient = np.array([0.50, 0.64, 0.80]), np.array([0.43, 0.42, 0.39])
        zenith, skyline, cloud = [225, 200, 165], [222, 238, 250], [232, 240, 250]
        cover, haze, glare = rng.uniform(0.1, 0.5), rng.uniform(220, 500), 0.8
    else:
        sun, ambient = np.zeros(3), np.array([0.35, 0.33, 0.30]) * rng.uniform(0.8, 1.25)
        zenith, skyline, cloud = [165, 152, 138], [214, 209, 200], [128, 120, 112]
        cover = rng.uniform(0.4, 0.8)
    tint = 1 + 0.03 * rng.uniform(-1, 1) * np.array([-1.0, 0.0, 1.0])
    level = np.cos(elevation)
    return Light(
        toward_sun=np.array([np.sin(azimuth) * level, -np.sin(elevation), np.cos(azimuth) * level]),
        sun=sun * tint,
        ambient=ambient * tint,
        zenith=np.array(zenith, float),
        skyline=np.array(skyline, float),
        cloud=np.array(cloud, float),
        cloud_cover=float(cover),
        haze_distance=float(haze),
        glare=float(glare),
        exposure=float(exposure),
        dark=bool(kind == 'dusk'),
    )
