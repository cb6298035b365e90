# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is done to a training sample so that no two look alike."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from bisenet_ros.label_space import IGNORE
from bisenet_training.datasets import Sample

Image = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Augmentation:
    """Random scale, crop, flip and colour.

    Attributes:
        min_scale: Least enlargement of the frame; scales are drawn evenly on a log axis.
        max_scale: Greatest enlargement.
        aspect: Width is changed against height by up to this factor.
        balanced: Share of the crops that are placed around a class drawn evenly from those in the
            frame. Without it, thin and rare classes are hardly ever in the middle of a crop.
        jitter: Greatest relative change of brightness, contrast and saturation.
    """

    min_scale: float = 0.5
    max_scale: float = 2.0
    aspect: float = 1.15
    balanced: float = 0.5
    jitter: float = 0.4

    def __call__(
        self, sample: Sample, crop: tuple[int, int], rng: np.random.Generator
    ) -> tuple[Image, Image]:
        """A random view of a sample.

        Args:
            sample: The frame and its labels.
            crop: (width, height) of the result.
            rng: Where all chance comes from.

        Returns:
            BGR (height, width, 3) and labels (height, width), both uint8. Outside the frame the
            image is grey and the labels are `IGNORE`.
        """
        image, labels = self._crop(sample, crop, rng)
        if rng.random() < 0.5:
            image, labels = image[:, ::-1], labels[:, ::-1]
        return self._recolor(image, rng), np.ascontiguousarray(labels)

    def _crop(
        self, sample: Sample, crop: tuple[int, int], rng: np.random.Generator
    ) -> tuple[Image, Image]:
        scale = np.exp(rng.uniform(np.log(self.min_scale), np.log(self.max_scale)))
        aspect = np.exp(rng.uniform(-1, 1) * np.log(self.aspect) / 2)
        scales = np.array((scale * aspect, scale / aspect))
        size = np.array(sample.labels.shape[::-1])
        # The window in the frame that becomes the crop, moved inside where it fits.
        window = np.array(crop) / scales
        room = size - window
        corner = rng.uniform(np.minimum(room, 0), np.maximum(room, 0))
        if rng.random() < self.balanced:
            target = self._pixel_of_some_class(sample.labels, rng)
            around = target - rng.uniform(0.25, 0.75, 2) * window
            corner = np.clip(around, np.minimum(room, 0), np.maximum(room, 0))
        # One warp scales and crops; a pixel's centre is at its coordinate plus a half.
        offset = (0.5 / scales) - 0.5 + corner
        matrix = np.array(((1 / scales[0], 0, offset[0]), (0, 1 / scales[1], offset[1])))
        image = sample.image
        if scale < 1:
            # A warp samples single pixels: take the detail away that the result cannot hold.
            sigma = 0.5 * np.sqrt(1 / scale**2 - 1)
            image = np.asarray(cv2.GaussianBlur(image, (0, 0), float(sigma)), np.uint8)
        return (
            self._warp(image, matrix, crop, cv2.INTER_LINEAR, 114),
            self._warp(sample.labels, matrix, crop, cv2.INTER_NEAREST, IGNORE),
        )

    @staticmethod
    def _warp(
        image: Image,
        matrix: npt.NDArray[np.float64],
        crop: tuple[int, int],
        interpolation: int,
        border: int,
    ) -> Image:
        warped = cv2.warpAffine(
            image,
            matrix,
            crop,
            flags=interpolation | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(border, border, border),
        )
        return np.asarray(warped, np.uint8)

    @staticmethod
    def _pixel_of_some_class(labels: Image, rng: np.random.Generator) -> npt.NDArray[np.int64]:
        present = np.flatnonzero(np.bincount(labels.ravel(), minlength=256)[:IGNORE])
        if not present.size:
            return np.array(labels.shape[::-1]) // 2
        places = np.flatnonzero(labels.ravel() == rng.choice(present))
        row, column = divmod(int(rng.choice(places)), labels.shape[1])
        return np.array((column, row))

    def _recolor(self, image: Image, rng: np.random.Generator) -> Image:
        brightness, contrast, saturation = 1 + self.jitter * rng.uniform(-1, 1, 3)
        pixels = image.astype(np.float32)
        grey = pixels @ np.array((0.114, 0.587, 0.299), np.float32)
        pixels = grey[..., None] + saturation * (pixels - grey[..., None])
        mean = float(grey.mean())
        # White balance: cameras and daylight differ in the colour of grey.
        gains = (brightness * (1 + 0.25 * self.jitter * rng.uniform(-1, 1, 3))).astype(np.float32)
        pixels = gains * (mean + contrast * (pixels - mean))
        return np.asarray(np.rint(pixels).clip(0, 255), np.uint8)
