# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which frame recorded outputs belong to, and what is read back of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rosbags.typesys import Stores, get_typestore
from small_bags import HEIGHT, IMAGE, START, STEP, WIDTH

from bisenet_ros.bag.reader import Camera, RecordedFrame
from bisenet_ros.bag.recorded_outputs import (
    KINDS,
    Arrival,
    Publication,
    RecordedOutputs,
    RecordedOutputsWriter,
    write_publications,
)
from bisenet_ros.label_space import CAMVID

MS = 1_000_000


def mono(value: int) -> bytes:
    """An image message of one value, serialised."""
    store = get_typestore(Stores.LATEST)
    header = store.types['std_msgs/msg/Header'](
        stamp=store.types['builtin_interfaces/msg/Time'](0, 0), frame_id='camera'
    )
    data = np.full(WIDTH * HEIGHT, value, np.uint8)
    message = store.types[IMAGE](header, HEIGHT, WIDTH, 'mono8', 0, WIDTH, data)
    return bytes(store.serialize_cdr(message, IMAGE))


def frame(index: int, camera: str = '') -> RecordedFrame:
    owner = Camera(camera, f'/{camera}/image', None, 9)
    return RecordedFrame(owner, index, START + index * STEP, 0, None, None)


def record(folder: Path, published: list[Publication], arrivals: list[Arrival]) -> RecordedOutputs:
    """Outputs whose labels are numbered in the order of their arrival."""
    with RecordedOutputsWriter(folder) as writer:
        for number, arrival in enumerate(arrivals):
            writer.write(arrival, {kind: mono(number + 100 * KINDS.index(kind)) for kind in KINDS})
    write_publications(folder, published)
    return RecordedOutputs(folder, CAMVID)


def labels(outputs: RecordedOutputs, frames: list[RecordedFrame]) -> list[int | None]:
    found = [outputs.of(frame) for frame in frames]
    return [None if output is None else int(output.labels[0, 0]) for output in found]


def test_outputs_are_read_back_frame_by_frame(tmp_path: Path) -> None:
    published = [
        Publication(camera, 7 + i, i * 100 * MS) for i in range(3) for camera in ('front', 'rear')
    ]
    arrivals = [
        Arrival('rear', 7, 30 * MS, 1.0, 20.0, 2.0),
        Arrival('front', 7, 31 * MS, 1.5, 20.0, 2.0),
        Arrival('front', 9, 242 * MS, 1.0, 30.0, 3.0),
    ]
    with record(tmp_path, published, arrivals) as outputs:
        # Whatever the stamps of the frames are: they were published under others.
        front = outputs.of(frame(0, 'front'))
        assert front is not None
        assert [int(getattr(front, kind)[0, 0]) for kind in KINDS] == [1, 101, 201]
        assert front.labels.shape == (HEIGHT, WIDTH)
        assert front.label_space == CAMVID
        assert front.times_ms == pytest.approx(
            {'decode': 1.5, 'inference': 20, 'total': 21.5, 'age': 31}
        )
        assert labels(outputs, [frame(i, 'rear') for i in range(3)]) == [0, None, None]
        assert labels(outputs, [frame(1, 'front'), frame(2, 'front')]) == [None, 2]
        assert outputs.age_ms('front', 2) == pytest.approx(42)
        assert [len(camera) for camera in outputs.published.values()] == [3, 3]
        assert outputs.of(frame(3, 'front')) is None  # was not published any more


def test_outputs_of_other_frames_are_nobodys(tmp_path: Path) -> None:
    published = [Publication('', 50, 100), Publication('', 60, 200)]
    stray = [Arrival('', 999, 90, 0.0, 0.0, 0.0), Arrival('', 60, 150, 0.0, 0.0, 0.0)]
    arrivals = [*stray, Arrival('', 60, 250, 0.0, 0.0, 0.0)]
    with record(tmp_path, published, arrivals) as outputs:
        assert labels(outputs, [frame(0), frame(1)]) == [None, 2]


def test_stamps_that_come_twice(tmp_path: Path) -> None:
    published = [Publication('', stamp, time) for time, stamp in enumerate((1, 2, 3, 1, 2, 3))]
    arrivals = [Arrival('', stamp, time, 0.0, 0.0, 0.0) for stamp, time in ((1, 0), (3, 2), (2, 5))]
    with record(tmp_path, published, arrivals) as outputs:
        # The frame with stamp 2 was dropped the first time.
        assert labels(outputs, [frame(i) for i in range(6)]) == [0, None, 1, None, 2, None]


def test_nothing_came_back(tmp_path: Path) -> None:
    with record(tmp_path, [Publication('', 50, 100)], []) as outputs:
        assert outputs.of(frame(0)) is None
        assert outputs.arrivals == {}
