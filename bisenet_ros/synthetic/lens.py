# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Effects of the camera: exposure, white balance, vignette, blur, noise."""

from __future__ import annotations

import cv2
import numpy as np

from bisenet_ros.synthetic.camera import Array
from bisenet_ros.synthetic.rng import stream

_SPARE = 64  # extra pixels of the sheet of noise on each axis


class Lens:
    """The optics and the sensor of one drive's camera."""

    def __init__(self, seed: int, size: tuple[int, int], exposure: float) -> None:
        """Draws the parameters of a camera.

        Args:
            seed: The drive's seed.
            size: (width, height) of its images, pixels.
            exposure: Factor on the brightness.
        """
        rng = stream(seed, 'lens')
        width, height = size
        self._seed = seed
        gamma, black = rng.uniform(1.1, 1.4), rng.uniform(0, 0.03)
        # White balance varies from blue to amber, but hardly from green to magenta.
        balance = 1 + rng.normal(0, 0.025) * np.array([1, 0, -1]) + rng.normal(0, 0.006, 3)
        level = np.arange(256)[:, None] / 255.0 * balance * exposure  # (256, 3)
        # Compresses highlights as cameras do, so that they saturate gradually.
        level = 1.1 * (1.12 * level / (1 + 0.12 * level)) ** gamma
        self._tone = np.clip((black + (1 - black) * level) * 255, 0, 255).astype(np.uint8)[None]
        x, y = np.linspace(-1, 1, width)[None, :], np.linspace(-1, 1, height)[:, None]
        vignette = 1 - rng.uniform(0.03, 0.22) * (x**2 + y**2) / 2
        self._vignette = cv2.merge([np.rint(vignette * 255).astype(np.uint8)] * 3)
        self._blur = float(rng.uniform(0.35, 0.75) * max(1.0, height / 500))  # pixels
        grain = rng.standard_normal((height + _SPARE, width + _SPARE, 3), dtype=np.float32)
        grain = (0.6 * grain + 0.4 * grain.mean(2, keepdims=True)) * rng.uniform(0.8, 3.2)
        self._noise = np.clip(grain + 128, 0, 255).astype(np.uint8)

    def expose(self, picture: Array, index: int) -> Array:
        """Applies the effects of the camera to a picture.

        Args:
            picture: (H, W, 3) uint8 BGR as drawn.
            index: Number of the frame; determines its noise.

        Returns:
            (H, W, 3) uint8 BGR, contiguous.
        """
        height, width = picture.shape[:2]
        image = cv2.GaussianBlur(picture, (0, 0), self._blur)
        image = cv2.multiply(image, self._vignette, scale=1 / 255)
        image = cv2.LUT(image, self._tone)
        top, left = stream(self._seed, 'noise', index).integers(0, _SPARE, 2)
        noise = self._noise[top : top + height, left : left + width]
        exposed: Array = cv2.addWeighted(image, 1.0, noise, 1.0, -128.0)
        return exposed
