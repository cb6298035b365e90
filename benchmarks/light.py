# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measures what weights lose in other light and with other cameras, on changed frames of CamVid.

    python -m benchmarks.light CAMVID
    python -m benchmarks.light CAMVID --weights camvid runs/mine/weights.safetensors

The last column is for new frames of the synthetic drive, from streets that no recipe trains on.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from bisenet_ros.metrics import ConfusionMatrix
from bisenet_ros.segmenter import Segmenter
from bisenet_training.datasets import Dataset
from bisenet_training.datasets.camvid import CamvidSettings
from bisenet_training.datasets.synthetic import SyntheticSettings

Image = npt.NDArray[np.uint8]

DEVIATION = 14.0
"""Standard deviation of the noise, in values of 8 bits."""


def darker(image: Image) -> Image:
    """Returns about half the brightness, and less in the shadows."""
    return _rounded(0.55 * 255 * (image / 255) ** 1.5)


def brighter(image: Image) -> Image:
    """Returns an overexposed image."""
    return _rounded(1.25 * 255 * (image / 255) ** 0.8)


def noisy(image: Image) -> Image:
    """Adds the same noise whenever it is called."""
    return _rounded(image + np.random.default_rng(0).normal(0, DEVIATION, image.shape))


def blurred(image: Image) -> Image:
    """Blurs by a Gaussian with a standard deviation of 1.5 pixels."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 1.5), np.uint8)


def warm(image: Image) -> Image:
    """Multiplies red by 1.2 and blue by 0.75."""
    return _rounded(image * (0.75, 1.0, 1.2))


def cool(image: Image) -> Image:
    """Multiplies red by 0.8 and blue by 1.25."""
    return _rounded(image * (1.25, 1.0, 0.8))


def jpeg(image: Image) -> Image:
    """Compresses with a quality of 25."""
    _, encoded = cv2.imencode('.jpg', image, (cv2.IMWRITE_JPEG_QUALITY, 25))
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)


def unchanged(image: Image) -> Image:
    """Returns the image."""
    return image


CHANGES: tuple[Callable[[Image], Image], ...] = (
    *(unchanged, darker, brighter, noisy, blurred),
    *(warm, cool, jpeg),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('data', type=Path, help='folder of CamVid')
    parser.add_argument('--split', default='val')
    parser.add_argument('--weights', nargs='+', default=['camvid'])
    parser.add_argument('--frames', type=int, default=40, help='of the synthetic drive')
    arguments = parser.parse_args()
    camvid = CamvidSettings(root=arguments.data, split=arguments.split).open()
    synthetic = SyntheticSettings(frames=arguments.frames, first_seed=5000, size=(480, 360)).open()

    columns = [*(change.__name__ for change in CHANGES), 'synthetic']
    print(f'mIoU on {camvid.description}\n')
    print(f'| weights | {" | ".join(columns)} |\n|---|{"---|" * len(columns)}')
    for weights in arguments.weights:
        segmenter = Segmenter.load(weights)
        found = [_miou(segmenter, camvid, change) for change in CHANGES]
        found.append(_miou(segmenter, synthetic, unchanged))
        print(f'| {weights} | {" | ".join(f"{miou:.2%}" for miou in found)} |', flush=True)


def _miou(segmenter: Segmenter, dataset: Dataset, change: Callable[[Image], Image]) -> float:
    matrix = ConfusionMatrix(len(dataset.label_space))
    for sample in dataset:
        matrix.update(segmenter(change(sample.image)).labels, sample.labels)
    return matrix.miou()


def _rounded(values: npt.NDArray[np.floating]) -> Image:
    return np.asarray(values.round().clip(0, 255), np.uint8)


if __name__ == '__main__':
    main()
