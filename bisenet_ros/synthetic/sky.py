# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The sky: its gradient, its clouds, and the glare around the sun."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from bisenet_ros.synthetic.camera import Array, Camera
from bisenet_ros.synthetic.light import Light
from bisenet_ros.synthetic.rng import stream
from bisenet_ros.synthetic.textures import fractal_noise

# The picture of the sky is on the image plane of a level camera that looks along world z.
_SCALE = 256.0  # pixels of the picture per unit of that plane, at focal length 1
_HALF_WIDTH, _ABOVE, _BELOW = 2.0, 1.3, 0.3  # extent of the picture, same unit


class Sky:
    """The sky of a drive, as one wide picture.

    The sky is infinitely far away, so the cameras of a frame and of the picture differ only by a
    rotation, and one homography maps the picture into the frame.
    """

    def __init__(self, seed: int, light: Light) -> None:
        """Paints the picture."""
        rng = stream(seed, 'sky')
        width, height = int(2 * _HALF_WIDTH * _SCALE), int((_ABOVE + _BELOW) * _SCALE)
        up = np.linspace(_ABOVE, -_BELOW, height)[:, None]
        across = np.linspace(-_HALF_WIDTH, _HALF_WIDTH, width)[None, :]
        altitude = np.clip(up * 1.3, 0, 1)[..., None] ** 0.7
        picture = light.skyline * (1 - altitude) + light.zenith * altitude
        # Clouds form a layer: towards the horizon they look flatter and closer together.
        noise = fractal_noise(rng, (512, 512), octaves=6, coarsest=5)
        reach = 45 / np.maximum(up + 0.06, 0.06)
        clouds = cv2.remap(
            noise,
            (across * reach + rng.uniform(0, 512)).astype(np.float32),
            np.broadcast_to(reach, (height, width)).astype(np.float32),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT,
        )
        excess = clouds - np.quantile(noise, 1 - light.cloud_cover)
        density = np.clip(excess / 1.1 + 0.3, 0, 1) * np.clip(up * 6 + 0.1, 0, 1)
        shading = 0.80 + 0.20 * np.clip(excess * 1.6 + 0.5, 0, 1.15)
        picture = picture * (1 - density[..., None])
        picture += light.cloud * (shading * density)[..., None]
        self._picture = np.clip(picture, 0, 255).astype(np.uint8)
        view = [
            [_SCALE, 0.0, _HALF_WIDTH * _SCALE],
            [0.0, _SCALE, _ABOVE * _SCALE],
            [0.0, 0.0, 1.0],
        ]
        self._to_directions = np.linalg.inv(np.array(view))

    def look(self, camera: Camera, rows: int) -> Array:
        """Renders the sky.

        Args:
            camera: The frame's camera.
            rows: Number of image rows, from the top.

        Returns:
            (rows, W, 3) uint8 BGR.
        """
        view: Array = cv2.warpPerspective(
            self._picture,
            camera.matrix @ camera.rotation @ self._to_directions,
            (camera.size[0], rows),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return view


@lru_cache(maxsize=1)
def _veil() -> Array:
    """Returns a round veil, 1 in the middle and 0 at the border: (96, 96) float32."""
    axis = np.linspace(-1, 1, 96, dtype=np.float32)
    veil: Array = np.clip(1 - np.hypot(axis[None, :], axis[:, None]), 0, 1) ** 2
    return veil


def add_glare(picture: Array, camera: Camera, light: Light) -> None:
    """Adds the glare around the sun to a picture, in place.

    Args:
        picture: (H, W, 3) uint8 BGR.
        camera: The frame's camera.
        light: The scene's light; nothing happens if its glare is 0 or the sun is behind.
    """
    toward = camera.rotation @ light.toward_sun
    if light.glare <= 0 or toward[2] < 0.2:
        return
    column, row = camera.to_pixels(toward[None])[0]
    height, width = picture.shape[:2]
    size = _veil().shape[0]
    scale = 2.4 * max(width, height) / size
    place = np.array([[scale, 0, column - scale * size / 2], [0, scale, row - scale * size / 2]])
    veil = cv2.warpAffine(_veil(), place, (width, height), flags=cv2.INTER_LINEAR)
    colors = light.glare * 150.0 * np.array([0.85, 0.95, 1.0])
    cv2.add(picture, cv2.merge([cv2.convertScaleAbs(veil, alpha=c) for c in colors]), dst=picture)
