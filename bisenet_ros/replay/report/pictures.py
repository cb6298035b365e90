# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Draws highlight frames: camera image, overlay, and ground truth."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from bisenet_ros.bag.reader import RecordedFrame, ReplayBag
from bisenet_ros.drivable import drivable_mask
from bisenet_ros.errors import UserError
from bisenet_ros.label_space import LabelSpace
from bisenet_ros.overlay import overlay
from bisenet_ros.replay.measure.evaluation import FrameId
from bisenet_ros.replay.measure.run_result import RunResult
from bisenet_ros.replay.report.highlights import Highlight

Pixels = npt.NDArray[np.uint8]

MAX_WIDTH = 480
"""Maximum width of pictures in pixels, so that a report is small enough for e-mail."""

_QUALITY = 80


@dataclass
class Picture:
    """The images of a highlight.

    Attributes:
        highlight: The frame, and why it is shown.
        images: Data URIs of JPEGs by caption.
    """

    highlight: Highlight
    images: dict[str, str] = field(default_factory=dict)


def draw_pictures(
    bag: ReplayBag,
    folder: Path,
    highlights: Sequence[Highlight],
    label_space: LabelSpace,
    overlay_alpha: float,
) -> list[Picture]:
    """Draws the highlights: overlays from the replay, image and ground truth from the bag.

    Args:
        bag: The bag of the highlights.
        folder: Output folder of the replay, with metrics.json, frames.jsonl and, unless the disk
            was full, output.mcap.
        highlights: Frames that could be decoded.
        label_space: Label space of the labels.
        overlay_alpha: Opacity of the ground-truth colours, 0 to 1.

    Raises:
        BagError: The bag is damaged before the last highlight.
    """
    pictures = {one.summary.id: Picture(one) for one in highlights}
    run = RunResult.load(folder)
    overlays = run.pictures_of(pictures, 'overlay') if run.has_pictures else {}
    left = set(pictures)
    for frame in bag if left else ():
        name = FrameId.of(frame)
        if name in left:
            seen = {
                'camera': frame.image(),
                'segmented': overlays.get(name),
                'truth': _truth(frame, label_space, overlay_alpha),
            }
            pictures[name].images = {
                what: data_uri(pixels) for what, pixels in seen.items() if pixels is not None
            }
            left.remove(name)
        if not left:
            break
    return list(pictures.values())


def _truth(frame: RecordedFrame, label_space: LabelSpace, alpha: float) -> Pixels | None:
    """Draws ground truth over the frame, (H, W, 3) BGR; None without a truth of its size."""
    image = frame.image()
    try:
        truth = frame.truth(label_space)
    except UserError:
        return None  # was reported as a problem before
    if truth is None or truth.shape != image.shape[:2]:
        return None
    drivable = drivable_mask(truth, label_space.ids_of(label_space.drivable))
    return overlay(image, truth, label_space, alpha, drivable=drivable)


def data_uri(image: npt.NDArray[np.uint8]) -> str:
    """Encodes an (H, W, 3) BGR image as the data URI of a JPEG, scaled down if it is too wide."""
    height, width = image.shape[:2]
    if width > MAX_WIDTH:
        size = (MAX_WIDTH, max(1, round(height * MAX_WIDTH / width)))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    _, data = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return 'data:image/jpeg;base64,' + base64.b64encode(data.tobytes()).decode()
