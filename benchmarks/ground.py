# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measures what the ground plane costs, and how exact it is.

    python -m benchmarks.ground [--width 2048 --height 1024]
    python -m benchmarks.ground --accuracy

The first command times grid, scan and ranges per column of a mask, and the computation of their
tables: on one core, with the node's memory settings, medians in milliseconds. The second command
compares the scan of exact labels of the synthetic drive with the true end of the drivable ground,
for the true pose and for wrong ones.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from statistics import median
from types import SimpleNamespace

import cv2
import numpy as np
import numpy.typing as npt

from bisenet_ros.drivable import drivable_mask, free_space_boundary
from bisenet_ros.ground.camera_model import CameraModel
from bisenet_ros.ground.lens import BrownLens
from bisenet_ros.ground.pose import Pose
from bisenet_ros.ground.tables import SCAN_BEARINGS, GroundTables
from bisenet_ros.label_space import CAMVID
from bisenet_ros.metrics.free_space_range import DISTANCES, RangeErrors
from bisenet_ros.process_tuning import prepare_process
from bisenet_ros.settings import Settings
from bisenet_ros.synthetic.camera import Camera
from bisenet_ros.synthetic.drive import SyntheticDrive

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
    """Returns the median time of a call."""
    found: list[float] = []
    for _ in range(times):
        start = time.perf_counter()
        action()
        found.append(1e3 * (time.perf_counter() - start))
    return median(found)


CAMERA, FINER = (640, 480), 4
SEEDS, FRAMES = 4, range(0, 120, 24)
PITCH_ERRORS = (0.2, 0.5, 1.0)
"""Degrees."""
MAX_TRUSTED_RANGE = 25.0
"""Maximum range of the ground truth, metres."""

# World to base_frame below the camera: x is the world's z, y its -x, z its -y.
BASE = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])


def true_ranges(camera: Camera, mask: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Returns (rays,) metres from below the camera to the end of the mask, in steps of 1 cm.

    Args:
        camera: The synthetic drive's camera; its projection is independent of ours.
        mask: (H, W), seen by the camera, 255 where drivable.
    """
    radii = np.arange(0.5, MAX_TRUSTED_RANGE, 0.01)
    width, height = camera.size
    ranges = np.full(len(SCAN_BEARINGS), np.inf)
    for ray, bearing in enumerate(SCAN_BEARINGS):
        points = np.zeros((len(radii), 3))
        points[:, 0] = camera.position[0] - radii * np.sin(bearing)
        points[:, 2] = camera.position[2] + radii * np.cos(bearing)
        local = camera.to_camera(points)
        ahead = local[:, 2] > 0.1
        if not ahead.any():
            continue
        columns, rows = np.rint(camera.to_pixels(local[ahead])).astype(int).T
        inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
        blocked = mask[rows[inside], columns[inside]] == 0
        if blocked.any():
            ranges[ray] = radii[ahead][inside][blocked.argmax()]
    return ranges


def pose_of(camera: Camera, pitch_error: float = 0.0) -> Pose:
    """Returns the camera's pose, pitched down by `pitch_error` radians too much."""
    cos, sin = math.cos(pitch_error), math.sin(pitch_error)
    nod = np.array([[1, 0, 0], [0, cos, sin], [0, -sin, cos]])
    matrix = BASE @ camera.rotation.T @ nod
    return Pose((0.0, 0.0, camera.height), tuple(matrix.reshape(-1).tolist()))


def print_accuracy() -> None:
    """Prints a table of errors by distance."""
    layout = replace(Settings().layout, pitch_uncertainty=0.0)
    ids = CAMVID.ids_of(CAMVID.drivable)
    rows = ['true pose', 'mounting of a vehicle on its springs']
    rows += [f'pitch wrong by {error:g}°' for error in PITCH_ERRORS]
    errors = {row: RangeErrors() for row in rows}
    finer = CAMERA[0] * FINER, CAMERA[1] * FINER
    for seed in range(SEEDS):
        drive, fine = SyntheticDrive(seed, CAMERA), SyntheticDrive(seed, finer)
        (fx, _, cx), (_, fy, cy), _ = drive.camera_matrix.tolist()
        model = CameraModel(CAMERA, (fx, fy), (cx, cy), BrownLens(14 * (0.0,)))
        *_, pitch, _ = drive.mounting
        for index in FRAMES:
            mask = drivable_mask(drive.frame(index)[1], ids)
            truth = true_ranges(fine.camera(index), drivable_mask(fine.frame(index)[1], ids))
            camera = drive.camera(index)
            exact = pose_of(camera)
            at_rest = (0.0, 0.0, drive.mounting_height, 0.0, pitch, exact.heading)
            poses = [(rows[0], exact), (rows[1], Pose.from_mounting(at_rest))]
            for row, error in zip(rows[2:], PITCH_ERRORS, strict=True):
                angle = math.radians(error)
                poses += [(row, pose_of(camera, angle)), (row, pose_of(camera, -angle))]
            for row, pose in poses:
                found = GroundTables(model, pose, layout).scan(mask)
                errors[row].update(
                    np.minimum(found, MAX_TRUSTED_RANGE), np.where(np.isnan(found), np.nan, truth)
                )
    print('| pose | ' + ' | '.join(f'{low} to {high} m' for low, high in DISTANCES) + ' |')
    print('|---' * (1 + len(DISTANCES)) + '|')
    for row, counted in errors.items():
        cells = [
            f'{counted.quantile(0.5, one):.2f} / {counted.quantile(0.95, one):.2f}'
            for one in DISTANCES
        ]
        print(f'| {row} | ' + ' | '.join(cells) + ' |')
    print('bearings:', ', '.join(str(errors[rows[0]].count(one)) for one in DISTANCES))


def main() -> None:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0] if __doc__ else None)
    parser.add_argument('--width', type=int, default=2048)
    parser.add_argument('--height', type=int, default=1024)
    parser.add_argument('--accuracy', action='store_true')
    options = parser.parse_args()
    if options.accuracy:
        print_accuracy()
        return
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
            milliseconds(partial(tables.grid, mask), 51),
            milliseconds(partial(tables.scan, mask), 51),
            milliseconds(partial(tables.free_space_range, boundary), 51),
            milliseconds(first, 7),
        )
        print(f'| {name} | ' + ' | '.join(f'{time:.2f}' for time in times) + ' |')


if __name__ == '__main__':
    main()
