# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Draws the README's pictures: the synthetic drive, segmented, and its ground from above.

    python -m benchmarks.animation -o docs/images/drive.gif
    python -m benchmarks.animation --still --start 20 -o still.jpg

The second command draws one frame: the image, its labels, and the ground from above as found and as
true.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from bisenet_ros.birds_eye import birds_eye
from bisenet_ros.drivable import drivable_mask
from bisenet_ros.ground.camera_model import CameraModel
from bisenet_ros.ground.lens import BrownLens
from bisenet_ros.ground.pose import Pose
from bisenet_ros.ground.tables import GroundTables
from bisenet_ros.overlay import overlay
from bisenet_ros.segmenter import Segmenter
from bisenet_ros.settings import Settings
from bisenet_ros.synthetic.drive import SyntheticDrive

CAMERA = (1024, 768)
SHOWN = (400, 300)
FRAMES, RATE = 40, 8
COLORS = 96
GRID = {'grid.resolution': 0.2, 'grid.length': 20.0, 'grid.width': 16.0}


def pictures(seed: int, start: int, count: int, *, with_truth: bool) -> list[npt.NDArray[np.uint8]]:
    """Returns one picture per frame, (H, W, 3) RGB; `with_truth` adds image and ground truth."""
    drive = SyntheticDrive(seed, CAMERA, RATE)
    segmenter = Segmenter.load('camvid')
    layout = Settings().changed(GRID).layout
    (fx, _, cx), (_, fy, cy), _ = drive.camera_matrix.tolist()
    camera = CameraModel(CAMERA, (fx, fy), (cx, cy), BrownLens(14 * (0.0,)))
    tables = GroundTables(camera, Pose.from_mounting(drive.mounting), layout)
    drawn: list[npt.NDArray[np.uint8]] = []
    for image, truth in drive.frames(count, start):
        found = segmenter(image)
        shown = overlay(image, found.labels, found.label_space, 0.5, drivable=found.drivable)
        masks = {'': found.drivable}
        if with_truth:
            ids = found.label_space.ids_of(found.label_space.drivable)
            masks = {'found': found.drivable, 'truth': drivable_mask(truth, ids)}
        seen = [image, shown] if with_truth else [shown]
        parts = [cv2.resize(one, SHOWN, interpolation=cv2.INTER_AREA) for one in seen]
        for title, mask in masks.items():
            parts.append(birds_eye(tables.grid(mask), layout, SHOWN[1], title))
        drawn.append(np.ascontiguousarray(np.hstack(parts)[..., ::-1]))
    return drawn


def main() -> None:
    """Writes the picture."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0] if __doc__ else None)
    parser.add_argument('-o', '--output', type=Path, required=True)
    parser.add_argument('--seed', type=int, default=6)
    parser.add_argument('--start', type=int, default=8, help='The first frame.')
    parser.add_argument('--still', action='store_true', help='One frame, with its truth.')
    options = parser.parse_args()
    if options.still:
        (frame,) = pictures(options.seed, options.start, 1, with_truth=True)
        Image.fromarray(frame).save(options.output, quality=88)
        return
    frames = [
        Image.fromarray(frame)
        for frame in pictures(options.seed, options.start, FRAMES, with_truth=False)
    ]
    # One palette for the whole drive: with one per frame, colours would flicker.
    some = np.vstack([np.asarray(frame) for frame in frames[:: FRAMES // 8]])
    palette = Image.fromarray(some).quantize(COLORS, Image.Quantize.MEDIANCUT)
    plain = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    plain[0].save(
        options.output,
        save_all=True,
        append_images=plain[1:],
        duration=1000 // RATE,
        loop=0,
        optimize=False,
    )
    print(f'{options.output}: {len(plain)} frames, {options.output.stat().st_size / 1e6:.2f} MB')


if __name__ == '__main__':
    main()
