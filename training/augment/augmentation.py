# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Makes a random view of a frame and its labels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from bisenet_ros.torchvision_import import import_torchvision
from bisenet_training.augment.degradation import (
    RandomCutout,
    RandomGamma,
    RandomJpeg,
    RandomNoise,
    RandomRain,
    RandomWhiteBalance,
)
from bisenet_training.augment.random_window import RandomWindow
from bisenet_training.augment.settings import AugmentationSettings

tv_tensors = import_torchvision('tv_tensors')
v2 = import_torchvision('transforms.v2')

Image = npt.NDArray[np.uint8]


class Augmentation:
    """Random scale, crop, flip, colour and degradation by transforms of torchvision.

    The transforms draw from torch's global random number generator. It is seeded for the duration
    of a call and restored afterwards, so the same generator state always gives the same view. This
    is not thread-safe: next to a training step, call it in another process (a DataLoader worker),
    not in another thread.

    Args:
        settings: Ranges and probabilities.
    """

    def __init__(self, settings: AugmentationSettings) -> None:
        self.settings = settings
        self._after_crop = v2.Compose(list(_transforms(settings)))

    def __call__(
        self, image: Image, labels: Image, crop: tuple[int, int], generator: torch.Generator
    ) -> tuple[Image, Image]:
        """Returns a random view of a sample.

        Args:
            image: (H, W, 3) uint8 BGR.
            labels: (H, W) uint8.
            crop: (width, height) of the result.
            generator: Source of the seed; one number is drawn from it.

        Returns:
            BGR (height, width, 3) and labels (height, width), both uint8. Outside the frame the
            image is grey and the labels are `IGNORE`.
        """
        seed = int(torch.randint(2**62, (), generator=generator))
        bgr = tv_tensors.Image(torch.from_numpy(image).permute(2, 0, 1))  # (3, H, W), a view
        truth = tv_tensors.Mask(torch.from_numpy(labels))
        with torch.random.fork_rng(devices=()):
            # Not torch.manual_seed, which also seeds the generators of GPUs.
            torch.default_generator.manual_seed(seed)
            bgr, truth = RandomWindow(self.settings, crop)(bgr, truth)
            # torchvision expects RGB. Swapping the channels after the crop costs less.
            rgb, truth = self._after_crop(tv_tensors.Image(bgr.flip(0)), truth)
        view = rgb.flip(0).permute(1, 2, 0).numpy()
        return np.ascontiguousarray(view), np.ascontiguousarray(truth.numpy())


def _transforms(settings: AugmentationSettings) -> Iterator[nn.Module]:
    """Yields the transforms of a crop, in the order in which the effects occur in a camera."""
    yield v2.RandomHorizontalFlip(settings.flip)
    if settings.rain:
        yield v2.RandomApply([RandomRain()], settings.rain)
    if settings.blur:
        yield v2.RandomApply([v2.GaussianBlur(kernel_size=7, sigma=(0.5, 2.0))], settings.blur)
    yield v2.ColorJitter(settings.brightness, settings.contrast, settings.saturation, settings.hue)
    if settings.white_balance > 1:
        yield RandomWhiteBalance(settings.white_balance)
    if settings.gamma > 1:
        yield RandomGamma(settings.gamma)
    if settings.noise:
        yield v2.RandomApply([RandomNoise()], settings.noise)
    if settings.jpeg:
        yield v2.RandomApply([RandomJpeg()], settings.jpeg)
    if settings.cutout:
        yield v2.RandomApply([RandomCutout()], settings.cutout)
