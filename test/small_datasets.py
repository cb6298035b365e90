# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Writes data sets for tests: streets of a few colours, in the layouts of real data sets."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from bisenet_ros.label_space import CAMVID, CITYSCAPES, IGNORE

Pixels = npt.NDArray[np.uint8]

CITY = 'smallville'
CITYSCAPES_LABEL_IDS = {
    'road': 7, 'sidewalk': 8, 'building': 11, 'vegetation': 21, 'sky': 23, 'car': 26,
}  # fmt: skip
CAMVID_NAMES = {
    'road': 'road', 'sidewalk': 'pavement', 'building': 'building', 'vegetation': 'tree',
    'sky': 'sky', 'car': 'car',
}  # fmt: skip
OUT_OF_ROI, CAMVID_VOID = 3, 11
"""Ids of the unlabelled strip in the label images of Cityscapes and CamVid."""


def make_scene(seed: int, size: tuple[int, int]) -> tuple[Pixels, Pixels]:
    """Draws a street, whose classes differ in colour, with noise and changing light.

    Args:
        seed: Selects the street.
        size: (width, height).

    Returns:
        (H, W, 3) uint8 BGR, and (H, W) uint8 ids of `CITYSCAPES`, with a strip of `IGNORE` at the
        bottom (the hood of a car).
    """
    width, height = size
    rng = np.random.default_rng(seed)
    ids = {name: CITYSCAPES.names.index(name) for name in CITYSCAPES_LABEL_IDS}
    labels = np.full((height, width), ids['sky'], np.uint8)
    horizon = int(height * rng.uniform(0.4, 0.55))
    column = 0
    while column < width:
        block = int(width * rng.uniform(0.1, 0.25))
        roof = int(horizon * rng.uniform(0.2, 0.7))
        kind = ids['building'] if rng.random() < 0.6 else ids['vegetation']
        labels[roof:horizon, column : column + block] = kind
        column += block
    labels[horizon:] = ids['sidewalk']
    vanishing = width * rng.uniform(0.35, 0.65)
    corners = ((vanishing, horizon), (-0.1 * width, height), (1.1 * width, height))
    cv2.fillConvexPoly(labels, np.array(corners, np.int32), (ids['road'],))
    for _ in range(int(rng.integers(1, 4))):
        scale = rng.uniform(0.15, 0.35)
        left = int(rng.uniform(0, width * (1 - scale)))
        bottom = int(rng.uniform(horizon + 0.2 * height, 0.9 * height))
        top = int(bottom - 0.5 * scale * width)
        labels[max(top, 0) : bottom, left : left + int(scale * width)] = ids['car']
    colors = CITYSCAPES.color_table()[..., ::-1][labels].astype(np.float32)
    image = colors * rng.uniform(0.7, 1.2) + rng.normal(0, 12, colors.shape)
    hood = height - max(height // 16, 1)
    labels[hood:], image[hood:] = IGNORE, 40
    return np.clip(image, 0, 255).astype(np.uint8), labels


def make_cityscapes_tree(
    root: Path, *, train: int = 8, val: int = 4, size: tuple[int, int] = (128, 64)
) -> Path:
    """Writes `leftImg8bit` and `gtFine` (label ids) with a city in each split.

    Args:
        root: The folder of the data set; it is created.
        train: Frames in the split train.
        val: Frames in the split val.
        size: (width, height) of the frames.
    """
    table = np.full(256, OUT_OF_ROI, np.uint8)
    for name, label_id in CITYSCAPES_LABEL_IDS.items():
        table[CITYSCAPES.names.index(name)] = label_id
    for split, first_seed, count in (('train', 0, train), ('val', 100_000, val)):
        for index in range(count):
            image, labels = make_scene(first_seed + index, size)
            frame = f'{split}/{CITY}/{CITY}_000000_{index:06}'
            write_image(root / 'leftImg8bit' / f'{frame}_leftImg8bit.png', image)
            write_image(root / 'gtFine' / f'{frame}_gtFine_labelIds.png', table[labels])
    return root


def make_camvid_tree(
    root: Path, *, train: int = 8, val: int = 4, size: tuple[int, int] = (128, 96)
) -> Path:
    """Writes `train/`, `trainannot/`, `val/` and `valannot/`; arguments as above."""
    table = np.full(256, CAMVID_VOID, np.uint8)
    for name, camvid_name in CAMVID_NAMES.items():
        table[CITYSCAPES.names.index(name)] = CAMVID.names.index(camvid_name)
    for split, first_seed, count in (('train', 0, train), ('val', 100_000, val)):
        for index in range(count):
            image, labels = make_scene(first_seed + index, size)
            write_image(root / split / f'{index:03}.png', image)
            write_image(root / f'{split}annot' / f'{index:03}.png', table[labels])
    return root


def write_image(path: Path, pixels: npt.NDArray[np.uint8 | np.uint16]) -> Path:
    """Writes an image file; creates its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)
    return path
