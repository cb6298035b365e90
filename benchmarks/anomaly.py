# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measures how much of an unknown object, and how much of the road, is marked as an anomaly.

    python -m benchmarks.anomaly CAMVID

A patch of coloured squares is pasted onto the road of CamVid's val; its border is not counted.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from bisenet_ros.segmenter import Segmenter
from bisenet_training.datasets.camvid import CamvidSettings

PATCH = (50, 60)
"""Height and width of the patch, in pixels of 480x360."""

BORDER = 5
"""Pixels on either side of the patch's edge that count for neither."""

THRESHOLDS = (0.2, 0.3, 0.4, 0.5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('camvid', type=Path)
    parser.add_argument('--weights', default='camvid')
    parser.add_argument('--frames', type=int, help='use only the first N frames')
    arguments = parser.parse_args()

    segmenter = Segmenter.load(arguments.weights)
    dataset = CamvidSettings(root=arguments.camvid, split='val').open()
    drivable_ids = segmenter.label_space.ids_of(segmenter.label_space.drivable)
    random = np.random.default_rng(0)
    objects, roads = np.zeros(256, int), np.zeros(256, int)
    for sample in list(dataset)[: arguments.frames]:
        image = sample.image.copy()
        height, width = image.shape[:2]
        top, left = int(0.72 * height), (width - PATCH[1]) // 2
        squares = random.integers(0, 256, (5, 6, 3), np.uint8)
        patch = cv2.resize(squares, PATCH[::-1], interpolation=cv2.INTER_NEAREST)
        image[top : top + PATCH[0], left : left + PATCH[1]] = patch
        anomaly = segmenter(image).anomaly
        if anomaly is None:
            parser.error(f'{arguments.weights} cannot recognise anomalies: use bisenet calibrate')
        inside = np.zeros((height, width), np.uint8)
        inside[top : top + PATCH[0], left : left + PATCH[1]] = 1
        border = np.ones((2 * BORDER + 1, 2 * BORDER + 1), np.uint8)
        road = np.isin(sample.labels, drivable_ids) & (cv2.dilate(inside, border) == 0)
        objects += np.bincount(anomaly[cv2.erode(inside, border) > 0], minlength=256)
        roads += np.bincount(anomaly[road], minlength=256)

    print('| `anomaly_threshold` | of the patch is found | of the road is lost |')
    print('|---|---|---|')
    for threshold in THRESHOLDS:
        found, lost = (
            counts[np.arange(256) >= 255 * threshold].sum() / counts.sum()
            for counts in (objects, roads)
        )
        print(f'| {threshold} | {found:.1%} | {lost:.2%} |'.replace('%', ' %'))


if __name__ == '__main__':
    main()
