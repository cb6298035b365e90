# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The figures of a demo, from outputs as a node gives them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from rosbags.typesys import Stores, get_typestore
from small_bags import (
    HEIGHT,
    IMAGE,
    START,
    STEP,
    WIDTH,
    Entry,
    drive,
    message_of,
    picture,
    write_bag,
)

from bisenet_ros.bag.recorded_outputs import (
    KINDS,
    Arrival,
    Publication,
    RecordedOutputs,
    RecordedOutputsWriter,
    write_publications,
)
from bisenet_ros.demo.report import Offline, evaluate, figures
from bisenet_ros.ego_mask import EgoMask
from bisenet_ros.label_space import CAMVID
from bisenet_ros.live.sources import Source, open_source
from bisenet_ros.metrics import ConfusionMatrix
from bisenet_ros.segmentation import Segmentation
from bisenet_ros.segmenter import Segmenter
from bisenet_ros.settings import Settings

COUNT = 3


def write_output(writer: RecordedOutputsWriter, sent: Publication, found: Segmentation) -> None:
    store = get_typestore(Stores.LATEST)
    images: dict[str, bytes] = {}
    for kind in KINDS:
        _, message = message_of(store.types, Entry('', sent.stamp, getattr(found, kind), 'mono8'))
        images[kind] = bytes(store.serialize_cdr(message, IMAGE))
    writer.write(Arrival('', sent.stamp, sent.time + 1, 1.0, 2.0, 3.0), images)


def test_frames_and_truths_that_cannot_be_used_are_problems(
    tmp_path: Path, segmenter: Segmenter
) -> None:
    entries = [
        *drive(2)[:3],
        Entry('/ground_truth/labels', START + STEP, np.zeros((9, 9), np.uint8), 'mono8'),
        Entry('/image', START + 2 * STEP, picture(2), 'strange'),
    ]
    frames = open_source(Source(write_bag(tmp_path / 'bag', entries)))
    published = [Publication('', START + i * STEP, i * STEP) for i in range(3)]
    with RecordedOutputsWriter(tmp_path) as writer:
        for index, sent in enumerate(published[:2]):
            write_output(writer, sent, segmenter(picture(index)))
    write_publications(tmp_path, published)
    with RecordedOutputs(tmp_path, CAMVID) as outputs:
        evaluated = evaluate(
            frames,
            outputs,
            CAMVID,
            tmp_path,
            settings=Settings(),
            offline=Offline(segmenter),
            view=None,
            advance=lambda: None,
        )
        measured = figures(frames, 'a drive', outputs, evaluated, {})
    assert measured['frames'] == {
        'published': 3, 'segmented': 2, 'dropped': 0, 'compared_with_truth': 1,
    }  # fmt: skip
    truth, frame = measured['problems']
    assert truth == (
        '1 ground-truth images could not be used; first: frame 1 of /image: '
        'labels are 64x48, but the ground truth is 9x9'
    )
    assert frame.startswith(
        "1 frames could not be decoded; first: frame 2 of /image: encoding 'strange' is not"
    )


def test_the_vehicle_itself_does_not_count(tmp_path: Path, segmenter: Segmenter) -> None:
    bonnet = np.zeros((HEIGHT, WIDTH), np.uint8)
    bonnet[30:] = 255
    file = tmp_path / 'bonnet.png'
    cv2.imwrite(str(file), bonnet)
    frames = open_source(Source(write_bag(tmp_path / 'bag', drive(COUNT))))
    matrix = ConfusionMatrix(len(CAMVID))
    published = [Publication('', START + i * STEP, i * STEP) for i in range(COUNT)]
    with RecordedOutputsWriter(tmp_path) as writer:
        for frame, sent in zip(frames, published, strict=True):
            (found,) = segmenter.batch([frame.image()], [EgoMask(file)])
            write_output(writer, sent, found)
            truth = frame.truth(CAMVID)
            assert truth is not None
            matrix.update(found.labels[:30], truth[:30])
    write_publications(tmp_path, published)

    settings = Settings(cameras=('front',)).changed({'front.ego_mask': str(file)})
    offline = Offline(segmenter)
    with RecordedOutputs(tmp_path, CAMVID) as outputs:
        evaluated = evaluate(
            frames,
            outputs,
            CAMVID,
            tmp_path,
            settings=settings,
            offline=offline,
            view=None,
            advance=lambda: None,
        )
    measured = evaluated.accuracy
    assert measured is not None
    assert measured['frames'] == COUNT
    assert measured['confusion'] == matrix.counts.tolist()
    assert offline.figures() == {
        'miou': matrix.miou(),
        'pixels': COUNT * WIDTH * HEIGHT,
        'differing_pixels': 0,
    }
