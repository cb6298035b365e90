# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Chosen frames drawn: what the camera saw, what was found in it, and the truth."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import numpy.typing as npt

from bisenet_ros.bag.reader import RecordedFrame, ReplayBag
from bisenet_ros.drivable import drivable_mask
from bisenet_ros.errors import UserError
from bisenet_ros.overlay import overlay
from bisenet_ros.replay.measure.output_bag import OVERLAY_ALPHA, draw
from bisenet_ros.replay.report.highlights import Chosen
from bisenet_ros.segmenter import Segmenter

MAX_WIDTH = 480
"""Pictures are at most this wide, in pixels: a report is to be sent by mail."""

_QUALITY = 80


@dataclass
class Picture:
    """A chosen frame, drawn.

    Attributes:
        chosen: Which frame it is, and why it is shown.
        images: JPEG as a data URI by what it shows.
    """

    chosen: Chosen
    images: dict[str, str] = field(default_factory=dict)


def draw_pictures(bag: ReplayBag, segmenter: Segmenter, chosen: Sequence[Chosen]) -> list[Picture]:
    """Go through the bag once more, as far as the last chosen frame, and draw those.

    Args:
        bag: Whose frames were chosen.
        segmenter: As it was when they were chosen.
        chosen: Frames that could be decoded.

    Raises:
        BagError: The bag is damaged before the last of them.
    """
    pictures = {(one.moment.camera, one.moment.frame): Picture(one) for one in chosen}
    left = set(pictures)
    for frame in bag if left else ():
        place = frame.camera.image_topic, frame.index
        if place in left:
            pictures[place].images = _draw(frame, segmenter)
            left.remove(place)
        if not left:
            break
    return list(pictures.values())


def _draw(frame: RecordedFrame, segmenter: Segmenter) -> dict[str, str]:
    image = frame.image()
    result = segmenter(image)
    images = {'camera': image, 'segmented': draw(image, result)}
    try:
        truth = frame.truth()
    except UserError:
        truth = None  # reported when it was to be counted
    if truth is not None and truth.shape == image.shape[:2]:
        label_space = segmenter.label_space
        drivable = drivable_mask(truth, label_space.ids_of(label_space.drivable))
        images['truth'] = overlay(image, truth, label_space, OVERLAY_ALPHA, drivable=drivable)
    return {what: data_uri(pixels) for what, pixels in images.items()}


def data_uri(image: npt.NDArray[np.uint8]) -> str:
    """An (H, W, 3) BGR image as a JPEG to stand in a page, made smaller where it is wide."""
    height, width = image.shape[:2]
    if width > MAX_WIDTH:
        size = (MAX_WIDTH, max(1, round(height * MAX_WIDTH / width)))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    _, data = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return 'data:image/jpeg;base64,' + base64.b64encode(data.tobytes()).decode()
