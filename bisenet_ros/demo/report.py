# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a demo measured, drawn as an overlay video and pictures, and put into figures."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bisenet_ros.checkpoint import Checkpoint
from bisenet_ros.drivable import drivable_mask
from bisenet_ros.formatting import number, percent
from bisenet_ros.label_space import LabelSpace
from bisenet_ros.live.events import Event
from bisenet_ros.live.sources import Source
from bisenet_ros.media import VideoWriter, read_labels, write_image
from bisenet_ros.metrics import ConfusionMatrix
from bisenet_ros.overlay import overlay
from bisenet_ros.segmenter import Segmenter
from bisenet_ros.version import VERSION

OVERLAY_ALPHA = 0.5
PICTURED = 4
"""Moments of the drive that are shown as pictures."""

Pixels = npt.NDArray[np.uint8]
Row = tuple[str, str]


@dataclass
class Recording:
    """What was published, and what came back.

    Attributes:
        labels: A folder with the labels of each segmented frame as STAMP.png.
        published: Stamps in nanoseconds, in the order of the source's frames.
        received: When the labels of a stamp arrived, in nanoseconds.
        summary: What the recorder said at its end.
    """

    labels: Path
    published: list[int] = field(default_factory=list)
    received: dict[int, int] = field(default_factory=dict)
    summary: Event = field(default_factory=dict)

    def latencies_ms(self) -> npt.NDArray[np.float64]:
        """(N,): from each segmented frame's stamp to the arrival of its labels."""
        pairs = np.array(list(self.received.items()), np.int64).reshape(-1, 2)
        return 1e-6 * (pairs[:, 1] - pairs[:, 0]).astype(np.float64)


@dataclass(frozen=True)
class Picture:
    """One moment of the drive, as names of image files beside the page."""

    title: str
    camera: str
    segmented: str
    truth: str | None


def figures(
    recording: Recording, source: Source, checkpoint: Checkpoint, model: Mapping[str, Any]
) -> dict[str, Any]:
    """What was measured, in a form that JSON can hold.

    Args:
        recording: Of at least one segmented frame.
        source: What the camera saw.
        checkpoint: What the node ran.
        model: The settings that the node ran with.
    """
    latencies = recording.latencies_ms()
    p50, p95, p99 = np.percentile(latencies, [50, 95, 99]).tolist()
    return {
        'source': source.name,
        'camera_hz': _rate(recording.published),
        'frames': {
            'published': len(recording.published),
            'segmented': len(recording.received),
            'dropped': len(recording.published) - len(recording.received),
            'compared_with_truth': recording.summary['compared'],
        },
        'fps': _rate(sorted(recording.received.values())),
        'latency_ms': {'p50': p50, 'p95': p95, 'p99': p99, 'max': float(latencies.max())},
        'stages_ms': recording.summary['stages_ms'],
        'accuracy': _accuracy(recording.summary, checkpoint.label_space),
        'offline': None,
        'model': {**model, 'network': checkpoint.network},
        'versions': {'bisenet_ros': VERSION, 'python': platform.python_version()},
    }


def _rate(times: Sequence[int]) -> float | None:
    """Events per second of times in nanoseconds; None for fewer than two."""
    span = times[-1] - times[0] if len(times) > 1 else 0
    return 1e9 * (len(times) - 1) / span if span > 0 else None


def _accuracy(summary: Event, label_space: LabelSpace) -> dict[str, Any] | None:
    """How good the labels were; None where there was no truth to compare with."""
    if not summary['compared']:
        return None
    return {
        'miou': summary['miou'],
        'drivable_iou': summary['drivable_iou'],
        'iou': dict(zip(label_space.names, summary['iou'], strict=True)),
    }


class Offline:
    """The same frames without ROS: what the node's labels should have been.

    Args:
        segmenter: Set up as the node's is.
    """

    def __init__(self, segmenter: Segmenter) -> None:
        self._segmenter = segmenter
        self._confusion = ConfusionMatrix(len(segmenter.label_space))
        self._pixels = 0
        self._differing = 0

    def add(self, image: Pixels, truth: Pixels | None, live: Pixels) -> None:
        """Segment a frame and compare with the labels that the node published."""
        labels = self._segmenter(image).labels
        self._pixels += labels.size
        self._differing += int(np.count_nonzero(labels != live))
        if truth is not None:
            self._confusion.update(labels, truth)

    def figures(self) -> dict[str, Any]:
        """For JSON: mean IoU, and how many pixels the node labelled otherwise."""
        miou = self._confusion.miou()
        return {
            'miou': None if math.isnan(miou) else miou,
            'pixels': self._pixels,
            'differing_pixels': self._differing,
        }


def draw(
    recording: Recording,
    source: Source,
    label_space: LabelSpace,
    output: Path,
    *,
    offline: Offline | None,
    advance: Callable[[], None],
) -> list[Picture]:
    """Make `overlay.webm` and the pictures; frames that were dropped are left out.

    Args:
        recording: Whose frames are drawn.
        source: Gives the frames again.
        label_space: Of the labels.
        output: A folder.
        offline: Sees every frame that is drawn, if it is given.
        advance: Called after every frame.
    """
    segmented = [stamp for stamp in recording.published if stamp in recording.received]
    rate = _rate(segmented) or 1.0
    # In the middle of equal parts of the drive: the first and last frame show little of it.
    parts = range(min(PICTURED, len(segmented)))
    chosen = {segmented[(2 * i + 1) * len(segmented) // (2 * len(parts))]: i + 1 for i in parts}
    drivable_ids = label_space.ids_of(label_space.drivable)
    pictures: list[Picture] = []
    for earlier in output.glob('picture_[0-9]_*.jpg'):
        earlier.unlink()
    with VideoWriter(output / 'overlay.webm', rate) as video:
        for stamp, frame in zip(recording.published, source, strict=False):
            if stamp in recording.received:
                labels = read_labels(recording.labels / f'{stamp}.png')
                drivable = drivable_mask(labels, drivable_ids)
                drawn = overlay(frame.image, labels, label_space, OVERLAY_ALPHA, drivable=drivable)
                video.write(drawn)
                if offline is not None:
                    offline.add(frame.image, frame.truth, labels)
                if stamp in chosen:
                    truth = frame.truth
                    name = f'picture_{chosen[stamp]}'
                    write_image(output / f'{name}_camera.jpg', frame.image)
                    write_image(output / f'{name}_segmented.jpg', drawn)
                    if truth is not None:
                        true = drivable_mask(truth, drivable_ids)
                        shown = overlay(
                            frame.image, truth, label_space, OVERLAY_ALPHA, drivable=true
                        )
                        write_image(output / f'{name}_truth.jpg', shown)
                    pictures.append(
                        Picture(
                            title=f'{frame.time:.1f} s',
                            camera=f'{name}_camera.jpg',
                            segmented=f'{name}_segmented.jpg',
                            truth=None if truth is None else f'{name}_truth.jpg',
                        )
                    )
            advance()
    return pictures


def rows(measured: Mapping[str, Any]) -> list[Row]:
    """The figures as a table of names and values, for the terminal and for the page."""
    frames, latency = measured['frames'], measured['latency_ms']
    accuracy, offline, stages = measured['accuracy'], measured['offline'], measured['stages_ms']
    table = [
        ('source', measured['source']),
        ('camera', number(measured['camera_hz'], 'Hz')),
        ('frames published', str(frames['published'])),
        ('frames segmented', str(frames['segmented'])),
        ('frames dropped', str(frames['dropped'])),
        ('FPS', number(measured['fps'])),
        (
            'latency p50 / p95 / p99',
            ' / '.join(f'{latency[p]:.0f}' for p in ('p50', 'p95', 'p99')) + ' ms',
        ),
    ]
    if stages is not None:
        parts = ', '.join(f'{name} {value:.1f}' for name, value in stages.items())
        table.append(('of which, median', f'{parts} ms'))
    if accuracy is not None:
        table += [
            ('mIoU', percent(accuracy['miou'])),
            ('drivable IoU', percent(accuracy['drivable_iou'])),
        ]
    if offline is not None:
        if accuracy is not None:
            table.append(('mIoU offline', percent(offline['miou'])))
        table.append(
            (
                'pixels unlike offline',
                f'{offline["differing_pixels"]} of {offline["pixels"]}',
            )
        )
    return table
