# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the ground costs: grid, scan and ranges per column of a mask, and making their tables.

    python -m benchmarks.ground [--width 2048 --height 1024]

On one core, with the memory settings of the node; medians in milliseconds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median
from types import SimpleNamespace

import cv2
import numpy as np

from bisenet_ros.drivable import free_space_boundary
from bisenet_ros.ground.camera_model import CameraModel
from bisenet_ros.ground.pose import Pose
from bisenet_ros.ground.tables import GroundTables
from bisenet_ros.malloc_tuning import prepare_process
from bisenet_ros.settings import Settings

LENSES = {
    'no distortion': ('plumb_bob', ()),
    'plumb_bob': ('plumb_bob', (-0.3, 0.1, 0.001, 0.001, 0.0)),
    'rational_polynomial': (
        'rational_polynomial',
        (0.1, 0.2, 0.001, 0.001, 0.01, 0.1, 0.2, 0.03),
    ),
    'equidistant': ('equidistant', (0.01, 0.001, 0.0, 0.0)),
}


def milliseconds(action: Callable[[], object], times: int) -> float:
    """The median time of a call."""
    found: list[float] = []
    for _ in range(times):
        start = time.perf_counter()
        action()
        found.append(1e3 * (time.perf_counter() - start))
    return median(found)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0] if __doc__ else None)
    parser.add_argument('--width', type=int, default=2048)
    parser.add_argument('--height', type=int, default=1024)
    options = parser.parse_args()
    prepare_process()
    cv2.setNumThreads(1)
    width, height = options.width, options.height
    mask = np.zeros((height, width), np.uint8)
    road = np.array([(0, 1), (0.45, 0.52), (0.55, 0.52), (1, 1)]) * (width - 1, height - 1)
    cv2.fillPoly(mask, [road.astype(np.int32)], 255)
    cv2.circle(mask, (6 * width // 10, 7 * height // 10), height // 25, 0, -1)
    boundary = free_space_boundary(mask)
    pose = Pose.from_mounting((1.0, 0.1, 1.5, 0.01, 0.1, 0.05))
    layout = Settings().layout
    print('| lens | grid | scan | ranges | all tables |')
    print('|---|---|---|---|---|')
    for name, (model, d) in LENSES.items():
        info = SimpleNamespace(
            width=width,
            height=height,
            k=[width / 2, 0, width / 2, 0, width / 2, height / 2, 0, 0, 1],
            d=d,
            distortion_model=model,
            binning_x=1,
            binning_y=1,
            roi=SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0),
        )
        camera = CameraModel.from_info(info, (width, height))
        tables = GroundTables(camera, pose, layout)

        def first(camera: CameraModel = camera) -> None:
            made = GroundTables(camera, pose, layout)
            made.grid(mask), made.scan(mask), made.free_space_range(boundary)

        times = (
            milliseconds(lambda tables=tables: tables.grid(mask), 51),  # type: ignore[misc]
            milliseconds(lambda tables=tables: tables.scan(mask), 51),  # type: ignore[misc]
            milliseconds(lambda tables=tables: tables.free_space_range(boundary), 51),  # type: ignore[misc]
            milliseconds(first, 7),
        )
        print(f'| {name} | ' + ' | '.join(f'{time:.2f}' for time in times) + ' |')


if __name__ == '__main__':
    main()
