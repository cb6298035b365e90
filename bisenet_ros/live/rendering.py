# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Renders the synthetic drive into a bag before it is streamed.

Rendering while streaming would slow down the network under measurement, and the report needs the
same frames again.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bisenet_ros.bag.messages import IMAGE_TOPIC, LABELS_TOPIC
from bisenet_ros.bag.writer import BagWriter
from bisenet_ros.errors import file_errors
from bisenet_ros.message_types import CAMERA_INFO_TYPE
from bisenet_ros.synthetic.drive import SyntheticDrive

FRAME_ID = 'camera'

_MAX_WORKERS = 8

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Rendering:
    """What to render.

    Attributes:
        seed: Seed of the drive.
        size: (width, height).
        rate: Frames per second.
        frame_count: Number of frames.
    """

    seed: int
    size: tuple[int, int]
    rate: float
    frame_count: int


def render(rendering: Rendering, bag: Path, advance: Callable[[], None]) -> None:
    """Renders on up to eight cores.

    Args:
        rendering: What to render.
        bag: The rosbag2 to create, with images, CameraInfo and ground truth.
        advance: Called after every frame.

    Raises:
        UserError: The bag cannot be written.
    """
    pool = ProcessPoolExecutor(
        min(_MAX_WORKERS, len(os.sched_getaffinity(0))),
        # A fork would copy locks held by torch's threads.
        mp_context=get_context('spawn'),
        # Ctrl-C reaches every process of the terminal; the parent ends these.
        initializer=signal.signal,
        initargs=(signal.SIGINT, signal.SIG_IGN),
    )
    try:
        with file_errors(bag), BagWriter(bag, 'mcap') as writer:
            info = _camera_info(_drive(rendering))
            indexes = range(rendering.frame_count)
            frames = pool.map(partial(_render, rendering), indexes, chunksize=4)
            for index, (image, truth) in enumerate(frames):
                stamp = round(index * 1e9 / rendering.rate)
                writer.write(IMAGE_TOPIC, stamp, FRAME_ID, image, 'bgr8')
                writer.write_message('/camera_info', CAMERA_INFO_TYPE, stamp, FRAME_ID, info)
                writer.write(LABELS_TOPIC, stamp, FRAME_ID, truth, 'mono8')
                advance()
    finally:
        pool.shutdown(cancel_futures=True)


def _camera_info(drive: SyntheticDrive) -> dict[str, Any]:
    """Returns the fields of the drive's CameraInfo: a pinhole camera without distortion."""
    width, height = drive.size
    matrix = drive.camera_matrix
    return {
        'height': height,
        'width': width,
        'distortion_model': 'plumb_bob',
        'd': np.zeros(5),
        'k': matrix.reshape(-1),
        'r': np.eye(3).reshape(-1),
        'p': np.column_stack([matrix, np.zeros(3)]).reshape(-1),
        'binning_x': 0,
        'binning_y': 0,
        'roi': dict.fromkeys(('x_offset', 'y_offset', 'height', 'width'), 0)
        | {'do_rectify': False},
    }


@lru_cache(maxsize=1)
def _drive(rendering: Rendering) -> SyntheticDrive:
    return SyntheticDrive(rendering.seed, rendering.size, rendering.rate)


def _render(rendering: Rendering, index: int) -> tuple[Pixels, Pixels]:
    return _drive(rendering).frame(index)
