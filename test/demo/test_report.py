# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The figures of a demo, from outputs as a node gives them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from rosbags.typesys import Stores, get_typestore
from small_bags import HEIGHT, IMAGE, START, STEP, WIDTH, Entry, drive, message_of, write_bag

from bisenet_ros.bag.recorded_outputs import (
    KINDS,
    Arrival,
    Publication,
    RecordedOutputs,
    RecordedOutputsWriter,
    write_publications,
)
from bisenet_ros.demo.report import Offline, evaluate
from bisenet_ros.ego_mask import EgoMask
from bisenet_ros.label_space import CAMVID
from bisenet_ros.live.sources import Source, open_source
from bisenet_ros.metrics import ConfusionMatrix
from bisenet_ros.segmenter import Segmenter
from bisenet_ros.settings import Settings

COUNT = 3


def test_the_vehicle_itself_does_not_count(tmp_path: Path, segmenter: Segmenter) -> None:
    bonnet = np.zeros((HEIGHT, WIDTH), np.uint8)
    bonnet[30:] = 255
    file = tmp_path / 'bonnet.png'
    cv2.imwrite(str(file), bonnet)
    frames = open_source(Source(write_bag(tmp_path / 'bag', drive(COUNT))))
    store = get_typestore(Stores.LATEST)
    matrix = ConfusionMatrix(len(CAMVID))
    published = [Publication('', START + i * STEP, i * STEP) for i in range(COUNT)]
    with RecordedOutputsWriter(tmp_path) as writer:
        for frame, sent in zip(frames, published, strict=True):
            (found,) = segmenter.batch([frame.image()], [EgoMask(file)])
            images: dict[str, bytes] = {}
            for kind in KINDS:
                entry = Entry('', sent.stamp, getattr(found, kind), 'mono8')
                _, message = message_of(store.types, entry)
                images[kind] = bytes(store.serialize_cdr(message, IMAGE))
            writer.write(Arrival('', sent.stamp, sent.time + 1, 1.0, 2.0, 3.0), images)
            truth = frame.truth(CAMVID)
            assert truth is not None
            matrix.update(found.labels[:30], truth[:30])
    write_publications(tmp_path, published)

    settings = Settings(cameras=('front',)).changed({'front.ego_mask': str(file)})
    offline = Offline(segmenter)
    with RecordedOutputs(tmp_path, CAMVID) as outputs:
        accuracy, _ = evaluate(
            frames,
            outputs,
            CAMVID,
            tmp_path,
            settings=settings,
            offline=offline,
            view=None,
            advance=lambda: None,
        )
    measured = accuracy.figures()
    assert measured is not None
    assert measured['frames'] == COUNT
    assert measured['confusion'] == matrix.counts.tolist()
    assert offline.figures() == {
        'miou': matrix.miou(),
        'pixels': COUNT * WIDTH * HEIGHT,
        'differing_pixels': 0,
    }
