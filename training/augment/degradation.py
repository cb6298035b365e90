# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Degrades images as exposure, sensors, weather, image links and obstacles do.

Transforms of RGB images (3, H, W) uint8. Labels do not change, except where pixels are hidden.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from bisenet_ros.label_space import IGNORE
from bisenet_ros.torchvision_import import import_torchvision
from bisenet_training.augment.random_window import FILL

tv_tensors = import_torchvision('tv_tensors')
v2 = import_torchvision('transforms.v2')
Transform: Any = v2.Transform


class RandomGamma(Transform):
    """Exposure curve: values 0..1 to a power that is log-uniform in 1 / `gamma` to `gamma`."""

    _transformed_types = (tv_tensors.Image,)

    def __init__(self, gamma: float) -> None:
        super().__init__()
        self.gamma = gamma

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draws the exponent."""
        return {'exponent': self.gamma ** (2 * torch.rand(()).item() - 1)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Applies the exponent."""
        return v2.functional.adjust_gamma(inpt, params['exponent'])


class RandomWhiteBalance(Transform):
    """White balance: gains of red and blue against green, each log-uniform in 1 / `gain` to `gain`.

    Cameras choose it by the light of the scene, so it differs between drives. The brightness of
    grey does not change.
    """

    _transformed_types = (tv_tensors.Image,)

    LUMA = (0.299, 0.587, 0.114)
    """Share of red, green and blue in the brightness (ITU-R BT.601)."""

    def __init__(self, gain: float) -> None:
        super().__init__()
        self.gain = gain

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draws the gains, (3, 1, 1)."""
        red, blue = (self.gain ** (2 * torch.rand(2) - 1)).tolist()
        gains = torch.tensor([red, 1.0, blue])
        return {'gains': (gains / (gains @ torch.tensor(self.LUMA)))[:, None, None]}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Multiplies the channels by the gains."""
        balanced = inpt.as_subclass(Tensor) * params['gains']
        return tv_tensors.wrap(balanced.round().clamp(max=255).to(torch.uint8), like=inpt)


class RandomRain(Transform):
    """Rain: short, bright, nearly vertical streaks in one direction, and a grey veil."""

    _transformed_types = (tv_tensors.Image,)

    COLOR = 200.0
    """Grey level of streaks and veil, like that of an overcast sky."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draws the rain's opacity in every pixel, (1, H, W), 0 to 1."""
        height, width = flat_inputs[0].shape[-2:]
        slant, length, density, opacity, veil = torch.rand(5).tolist()
        angle = math.radians(40 * slant - 20)
        reach = (0.04 + 0.08 * length) * height
        step = np.array((math.sin(angle) * reach, math.cos(angle) * reach))
        count = round((0.0005 + 0.0015 * density) * height * width)
        starts = torch.rand(count, 2).numpy() * (width, height) - step / 2
        streaks = np.zeros((height, width), np.uint8)
        lines = np.stack((starts, starts + step), axis=1).round().astype(np.int32)
        cv2.polylines(streaks, list(lines), isClosed=False, color=255, lineType=cv2.LINE_AA)
        blurred = torch.from_numpy(cv2.blur(streaks, (3, 3))).float() / 255
        return {'rain': (0.25 * veil + (0.4 + 0.4 * opacity) * blurred).clamp(max=1)[None]}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Blends the rain into the image."""
        wet = torch.lerp(inpt.as_subclass(Tensor).float(), torch.tensor(self.COLOR), params['rain'])
        return tv_tensors.wrap(wet.round().to(torch.uint8), like=inpt)


class RandomJpeg(Transform):
    """JPEG artefacts of a random quality.

    torchvision has this transform too, but it needs compiled operators, which are incompatible with
    some builds of torch (`bisenet_ros.torchvision_import`).
    """

    _transformed_types = (tv_tensors.Image,)

    QUALITY = (20, 80)
    """Range of the JPEG quality, from a very poor radio link to the usual quality of cameras."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draws the quality."""
        least, most = self.QUALITY
        return {'quality': int(torch.randint(least, most + 1, ()))}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Encodes and decodes the image."""
        bgr = np.ascontiguousarray(inpt.as_subclass(Tensor).flip(0).permute(1, 2, 0).numpy())
        _, encoded = cv2.imencode('.jpg', bgr, (cv2.IMWRITE_JPEG_QUALITY, params['quality']))
        decoded = torch.from_numpy(cv2.imdecode(encoded, cv2.IMREAD_COLOR))
        return tv_tensors.wrap(decoded.permute(2, 0, 1).flip(0), like=inpt)


class RandomNoise(Transform):
    """Sensor noise in the dark: normal, independent in every pixel and channel."""

    _transformed_types = (tv_tensors.Image,)

    MAX_DEVIATION = 20.0

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draws the noise, (3, H, W)."""
        deviation = self.MAX_DEVIATION * torch.rand(()).item()
        return {'noise': deviation * torch.randn(flat_inputs[0].shape)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Adds the noise."""
        noisy = inpt.as_subclass(Tensor).float() + params['noise']
        return tv_tensors.wrap(noisy.round().clamp(0, 255).to(torch.uint8), like=inpt)


class RandomCutout(Transform):
    """A grey rectangle without labels, like an object in front of the camera (cutout).

    Each side is between an eighth and a half of the image's.
    """

    _transformed_types = (tv_tensors.Image, tv_tensors.Mask)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """Draws the hidden rows and columns."""
        height, width = flat_inputs[0].shape[-2:]
        return {'rows': _part(height), 'columns': _part(width)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Hides them."""
        pixels = inpt.as_subclass(Tensor).clone()
        filling = IGNORE if isinstance(inpt, tv_tensors.Mask) else FILL
        pixels[..., params['rows'], params['columns']] = filling
        return tv_tensors.wrap(pixels, like=inpt)


def _part(side: int) -> slice:
    """Returns a random range that covers an eighth to a half of a side."""
    share, place = torch.rand(2).tolist()
    length = round(side * (0.125 + 0.375 * share))
    start = round((side - length) * place)
    return slice(start, start + length)
