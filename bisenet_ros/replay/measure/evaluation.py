# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the frames of a camera say about a model: counted one by one, nothing kept but numbers."""

from __future__ import annotations

import heapq
import math
from array import array
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bisenet_ros.drivable import drivable_mask
from bisenet_ros.label_space import IGNORE, LabelSpace
from bisenet_ros.metrics import (
    BoundaryScore,
    Calibration,
    ConfusionMatrix,
    FalseDrivable,
    Flicker,
    FreeSpaceError,
    still_pixels,
)
from bisenet_ros.segmentation import Segmentation

LOWEST = 10
"""Frames of the lowest confidence that are named."""

PERCENTILES = (50, 95, 99)

STAGES = ('decode', 'inference', 'total')
"""What a frame's latency is made of."""

Pixels = npt.NDArray[np.uint8]


class FrameId(NamedTuple):
    """Which frame of a bag: the camera's image topic, frames before it, header's stamp in ns."""

    camera: str
    frame: int
    stamp: int


class Accuracy:
    """Everything that needs a truth.

    Args:
        label_space: What labels and truth mean.
    """

    def __init__(self, label_space: LabelSpace) -> None:
        self._label_space = label_space
        self._drivable_ids = label_space.ids_of(label_space.drivable)
        self._frames = 0
        self._confusion = ConfusionMatrix(len(label_space))
        self._boundary = BoundaryScore(len(label_space))
        self._calibration = Calibration()
        self._false_drivable = FalseDrivable()
        self._free_space = FreeSpaceError()

    @property
    def frames(self) -> int:
        """How many were counted."""
        return self._frames

    def update(self, result: Segmentation, truth: Pixels) -> None:
        """Count one frame; truth is (H, W) class ids, `IGNORE` where there is none.

        Raises:
            UserError: The truth has another size, or an id that is no class.
        """
        self._confusion.update(result.labels, truth)
        self._boundary.update(result.labels, truth)
        self._calibration.update(result.confidence, result.labels, truth)
        masks = result.drivable, drivable_mask(truth, self._drivable_ids), truth != IGNORE
        self._false_drivable.update(*masks)
        self._free_space.update(*masks)
        self._frames += 1

    def add(self, other: Accuracy) -> None:
        """Count the frames of another, too."""
        self._confusion.add(other._confusion)
        self._boundary.add(other._boundary)
        self._calibration.add(other._calibration)
        self._false_drivable.add(other._false_drivable)
        self._free_space.add(other._free_space)
        self._frames += other._frames

    def summary(self) -> dict[str, float | None]:
        """The figures that a single frame has, too."""
        return {
            'miou': number(self._confusion.miou()),
            'drivable_iou': number(self._confusion.group_iou(self._drivable_ids)),
            'pixel_accuracy': number(self._confusion.pixel_accuracy()),
            'boundary_f': number(self._boundary.mean()),
            'false_drivable_rate': number(self._false_drivable.rate()),
            'free_space_error_px': number(self._free_space.mean()),
        }

    def confusion(self) -> list[list[int]]:
        """Pixels by true class (row) and label (column; the last: none), as JSON can hold it."""
        counts: list[list[int]] = self._confusion.counts.tolist()
        return counts

    def figures(self) -> dict[str, Any] | None:
        """All figures, in a form that JSON can hold; None where nothing was counted."""
        if not self._frames:
            return None
        return {
            'frames': self._frames,
            **self.summary(),
            'false_drivable_near_rate': number(self._false_drivable.near_rate()),
            'free_space_error_p95_px': number(self._free_space.p95()),
            'free_space_overreach_px': number(self._free_space.overreach()),
            'ece': number(self._calibration.ece()),
            'iou': self._by_class(self._confusion.iou()),
            'boundary_f_by_class': self._by_class(self._boundary.f_scores()),
            'confusion': self.confusion(),
            'calibration': [bin._asdict() for bin in self._calibration.curve()],
        }

    def _by_class(self, values: npt.NDArray[np.float64]) -> dict[str, float | None]:
        names = self._label_space.names
        return {name: number(value) for name, value in zip(names, values.tolist(), strict=True)}


class Confidence:
    """How sure the network was: pixels by confidence, and the frames in which it was least so."""

    def __init__(self) -> None:
        self._pixels = np.zeros(256, np.int64)
        self._lowest: list[tuple[float, FrameId]] = []  # a heap of the negated mean

    def update(self, confidence: Pixels, frame: FrameId) -> float:
        """Count one frame's (H, W) confidence, 0 to 255; its mean from 0 to 1."""
        pixels = np.bincount(confidence.reshape(-1), minlength=256)
        self._pixels += pixels
        mean = _mean_level(pixels)
        self._keep(-mean, frame)
        return mean

    def add(self, other: Confidence) -> None:
        """Count the frames of another, too."""
        self._pixels += other._pixels
        for negated, frame in other._lowest:
            self._keep(negated, frame)

    def figures(self) -> dict[str, Any] | None:
        """From 0 to 1, in a form that JSON can hold; None where nothing was counted."""
        total = int(self._pixels.sum())
        if not total:
            return None
        reached = np.cumsum(self._pixels) / total
        return {
            'mean': _mean_level(self._pixels),
            'p05': int(np.argmax(reached >= 0.05)) / 255,
            'p50': int(np.argmax(reached >= 0.5)) / 255,
            'below_half': int(self._pixels[:128].sum()) / total,
            'lowest_frames': [
                {**frame._asdict(), 'confidence': -negated}
                for negated, frame in sorted(self._lowest, key=lambda kept: (-kept[0], kept[1]))
            ],
        }

    def _keep(self, negated: float, frame: FrameId) -> None:
        heapq.heappush(self._lowest, (negated, frame))
        if len(self._lowest) > LOWEST:
            heapq.heappop(self._lowest)


class Samples:
    """A number per frame, summed up as percentiles."""

    def __init__(self) -> None:
        self._values = array('d')

    def append(self, value: float) -> None:
        """Take in one."""
        self._values.append(value)

    def add(self, other: Samples) -> None:
        """Take in all of another."""
        self._values.extend(other._values)

    def sum(self) -> float:
        """Of all."""
        return math.fsum(self._values)

    def figures(self) -> dict[str, float] | None:
        """Mean, percentiles and extremes, in the unit of the samples; None without any."""
        if not self._values:
            return None
        percentiles = np.percentile(self._values, PERCENTILES).tolist()
        return {
            'mean': self.sum() / len(self._values),
            **{f'p{p}': value for p, value in zip(PERCENTILES, percentiles, strict=True)},
            'min': min(self._values),
            'max': max(self._values),
        }


class Evaluation:
    """The figures of one camera, or of several together.

    Attributes:
        accuracy: What needs a truth.

    Args:
        label_space: What labels and truth mean.
    """

    def __init__(self, label_space: LabelSpace) -> None:
        self._label_space = label_space
        self._frames = 0
        self.accuracy = Accuracy(label_space)
        self._confidence = Confidence()
        self._drivable_fraction = Samples()
        self._flicker = Flicker()
        self._times_ms = {time: Samples() for time in (*STAGES, 'age')}
        self._previous: tuple[Pixels, Pixels] | None = None  # image and labels

    def update(
        self, frame: FrameId, image: Pixels, result: Segmentation, times_ms: Mapping[str, float]
    ) -> dict[str, Any]:
        """Count one frame without its truth.

        Args:
            frame: Which it is.
            image: (H, W, 3) BGR.
            result: What was found in it.
            times_ms: What each of `STAGES` took; and the age of the result, from the arrival of
                the frame, where frames arrive in time.

        Returns:
            The frame's own figures, in a form that JSON can hold.
        """
        self._frames += 1
        fraction = float(np.count_nonzero(result.drivable) / result.drivable.size)
        self._drivable_fraction.append(fraction)
        confidence = self._confidence.update(result.confidence, frame)
        flicker = Flicker()
        if self._previous is not None and self._previous[0].shape == image.shape:
            earlier_image, earlier_labels = self._previous
            flicker.update(result.labels, earlier_labels, still_pixels(image, earlier_image))
        self._previous = image, result.labels
        self._flicker.add(flicker)
        for time, milliseconds in times_ms.items():
            self._times_ms[time].append(milliseconds)
        return {
            'drivable_fraction': fraction,
            'confidence': confidence,
            'flicker': number(flicker.rate()),
            **{f'{time}_ms': milliseconds for time, milliseconds in times_ms.items()},
        }

    def compare(self, result: Segmentation, truth: Pixels) -> dict[str, Any]:
        """Count one frame's truth; the frame's own figures, and its confusion matrix.

        Raises:
            UserError: The truth has another size, or an id that is no class.
        """
        of_frame = Accuracy(self._label_space)
        of_frame.update(result, truth)
        self.accuracy.add(of_frame)
        return {**of_frame.summary(), 'confusion': of_frame.confusion()}

    def add(self, other: Evaluation) -> None:
        """Count the frames of another camera, too."""
        self._frames += other._frames
        self.accuracy.add(other.accuracy)
        self._confidence.add(other._confidence)
        self._drivable_fraction.add(other._drivable_fraction)
        self._flicker.add(other._flicker)
        for time, samples in self._times_ms.items():
            samples.add(other._times_ms[time])

    def figures(self) -> dict[str, Any]:
        """All figures, in a form that JSON can hold."""
        seconds = self._times_ms['total'].sum() / 1e3
        return {
            'evaluated_frames': self._frames,
            'accuracy': self.accuracy.figures(),
            'drivable_fraction': self._drivable_fraction.figures(),
            'confidence': self._confidence.figures(),
            'flicker': number(self._flicker.rate()),
            'latency_ms': {stage: self._times_ms[stage].figures() for stage in STAGES},
            'age_ms': self._times_ms['age'].figures(),
            'fps': self._frames / seconds if seconds else None,
        }


def together(evaluations: Iterable[Evaluation], label_space: LabelSpace) -> Evaluation:
    """Several cameras counted as one."""
    total = Evaluation(label_space)
    for evaluation in evaluations:
        total.add(evaluation)
    return total


def number(value: float) -> float | None:
    """A figure as JSON has it: None where there is none."""
    return None if math.isnan(value) else float(value)


def _mean_level(pixels: npt.NDArray[np.int64]) -> float:
    """The mean from 0 to 1 of counts by level, 0 to 255."""
    return float(np.arange(256) @ pixels) / 255 / int(pixels.sum())
