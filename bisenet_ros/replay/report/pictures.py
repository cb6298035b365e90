# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Highlight frames drawn: what the camera saw, what was found in it, and the truth."""

from __future__ import annotations

import base64
from collections.abc import Collection, Sequence
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
from bisenet_ros.replay.measure.run_result import RunResult
from bisenet_ros.replay.report.highlights import Highlight

Pixels = npt.NDArray[np.uint8]
Place = tuple[str, int]
"""The image topic of a frame's camera, and how many of its frames came before."""

MAX_WIDTH = 480
"""Pictures are at most this wide, in pixels: a report is to be sent by mail."""

_QUALITY = 80


@dataclass
class Picture:
    """A chosen frame, drawn.

    Attributes:
        highlight: Which frame it is, and why it is shown.
        images: JPEG as a data URI by what it shows.
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
    """Show what the replay has written of the chosen frames, beside image and truth of the bag.

    Args:
        bag: Whose frames were chosen.
        folder: Of the replay, with metrics.json, frames.jsonl and, unless the disk was full,
            output.mcap.
        highlights: Frames that could be decoded.
        label_space: Of the labels.
        overlay_alpha: Opacity of the colours of the truth, 0 to 1.

    Raises:
        BagError: The bag is damaged before the last of them.
    """
    pictures = {(one.summary.camera, one.summary.frame): Picture(one) for one in highlights}
    overlays = _overlays(folder, pictures)
    left = set(pictures)
    for frame in bag if left else ():
        place = frame.camera.image_topic, frame.index
        if place in left:
            seen = {
                'camera': frame.image(),
                'segmented': overlays.get(place),
                'truth': _truth(frame, label_space, overlay_alpha),
            }
            pictures[place].images = {
                what: data_uri(pixels) for what, pixels in seen.items() if pixels is not None
            }
            left.remove(place)
        if not left:
            break
    return list(pictures.values())


def _overlays(folder: Path, places: Collection[Place]) -> dict[Place, Pixels]:
    """The (H, W, 3) BGR overlays that a replay has written, of the frames at some places."""
    run = RunResult.load(folder)
    if not run.has_pictures:
        return {}
    return {
        (camera, found.frame): drawn
        for camera in {camera for camera, _ in places}
        for found, drawn in run.pictures(camera, 'overlay')
        if (camera, found.frame) in places
    }


def _truth(frame: RecordedFrame, label_space: LabelSpace, alpha: float) -> Pixels | None:
    """(H, W, 3) BGR, the frame in the colours of its truth; None where it has none of its size."""
    image = frame.image()
    try:
        truth = frame.truth()
    except UserError:
        return None  # reported when it was to be counted
    if truth is None or truth.shape != image.shape[:2]:
        return None
    drivable = drivable_mask(truth, label_space.ids_of(label_space.drivable))
    return overlay(image, truth, label_space, alpha, drivable=drivable)


def data_uri(image: npt.NDArray[np.uint8]) -> str:
    """An (H, W, 3) BGR image as a JPEG to stand in a page, made smaller where it is wide."""
    height, width = image.shape[:2]
    if width > MAX_WIDTH:
        size = (MAX_WIDTH, max(1, round(height * MAX_WIDTH / width)))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    _, data = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return 'data:image/jpeg;base64,' + base64.b64encode(data.tobytes()).decode()
