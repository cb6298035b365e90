# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Accumulates the figures of a camera frame by frame; only counts are kept."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bisenet_ros.bag.reader import RecordedFrame
from bisenet_ros.errors import UserError
from bisenet_ros.ground.tables import GroundTables
from bisenet_ros.label_space import LabelSpace
from bisenet_ros.metrics import (
    Figure,
    Frame,
    MetricSet,
    figures,
    metrics_with,
    truth_at,
    truth_outside,
)
from bisenet_ros.metrics.accuracy import Accuracy
from bisenet_ros.percentiles import Percentiles
from bisenet_ros.replay.measure.problems import Problems
from bisenet_ros.resizing import resize
from bisenet_ros.segmentation import Segmentation

LOWEST = 10
"""Number of frames of lowest confidence that are listed."""

STAGES = ('decode', 'inference', 'total')
"""The parts of a frame's latency, and their sum."""

Pixels = npt.NDArray[np.uint8]

_DRIVE = (
    Figure('drivable_fraction', 'drivable share', better=None),
    Figure('confidence', 'confidence'),
    Figure('decode_ms', 'decoding', 'ms', 'lower'),
    Figure('inference_ms', 'inference', 'ms', 'lower'),
    Figure('total_ms', 'latency', 'ms', 'lower'),
    Figure('age_ms', 'age', 'ms', 'lower'),
    Figure('dropped', 'frames dropped', 'frames', 'lower'),
    Figure('fps', 'frames per second', 'Hz', per_frame=False),
)
"""Figures of a replay in addition to the metrics."""


def known_figures() -> dict[str, Figure]:
    """Returns all figures of a replay by name, except IoU by class; metrics come first."""
    own = {figure.name: figure for figure in _DRIVE}
    return {**figures(truth=True), **figures(truth=False), **own}


class FrameId(NamedTuple):
    """Identifies a frame of a bag: image topic, index in the topic, header stamp in ns."""

    camera: str
    frame: int
    stamp: int

    @classmethod
    def of(cls, frame: RecordedFrame) -> FrameId:
        """Returns the id of a frame."""
        return cls(frame.camera.image_topic, frame.index, frame.stamp)


class Confidence:
    """Histogram of confidence over pixels, and the frames of lowest confidence."""

    def __init__(self) -> None:
        self._pixels = np.zeros(256, np.int64)
        self._lowest: list[tuple[float, FrameId]] = []  # by mean, the lowest first

    def update(self, confidence: Pixels, frame: FrameId) -> float:
        """Counts the confidence of a frame's pixels, 0 to 255; returns the mean, 0 to 1."""
        pixels = np.bincount(confidence.reshape(-1), minlength=256)
        self._pixels += pixels
        mean = _mean_level(pixels)
        self._keep_lowest([(mean, frame)])
        return mean

    def add(self, other: Confidence) -> None:
        """Adds the counts of another one."""
        self._pixels += other._pixels
        self._keep_lowest(other._lowest)

    def figures(self) -> dict[str, Any] | None:
        """Returns figures from 0 to 1, ready for JSON; None if nothing was counted."""
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
                {**frame._asdict(), 'confidence': mean} for mean, frame in self._lowest
            ],
        }

    def _keep_lowest(self, more: Sequence[tuple[float, FrameId]]) -> None:
        self._lowest = sorted([*self._lowest, *more])[:LOWEST]


class Samples:
    """One number per frame, summarised as percentiles."""

    def __init__(self) -> None:
        self._values = array('d')

    def append(self, value: float) -> None:
        """Adds one number."""
        self._values.append(value)

    def add(self, other: Samples) -> None:
        """Adds the numbers of another one."""
        self._values.extend(other._values)

    def figures(self) -> dict[str, float] | None:
        """Returns mean, percentiles and extremes in the samples' unit; None without samples."""
        if not self._values:
            return None
        return {
            'mean': math.fsum(self._values) / len(self._values),
            **Percentiles.of(self._values)._asdict(),
            'min': min(self._values),
            'max': max(self._values),
        }


class Evaluation:
    """The figures of one camera, or of several together.

    Args:
        label_space: Label space of labels and ground truth.
    """

    def __init__(self, label_space: LabelSpace) -> None:
        self._label_space = label_space
        self._frames = 0
        self._accuracy = Accuracy(label_space)
        self._confidence = Confidence()
        self._drivable_fraction = Samples()
        self._metrics = MetricSet(metrics_with(truth=False), label_space)
        self._times_ms = {time: Samples() for time in (*STAGES, 'age')}
        self._busy_ms = 0.0
        self._last: Frame | None = None
        self._image_shape: tuple[int, ...] = ()  # of the last frame, as the camera sent it

    def update(
        self,
        frame: FrameId,
        image: Pixels,
        result: Segmentation,
        times_ms: Mapping[str, float],
        ground: GroundTables | None = None,
        *,
        sharing: int = 1,
    ) -> dict[str, Any]:
        """Counts a frame without its ground truth.

        Args:
            frame: Id of the frame.
            image: (H, W, 3) BGR.
            result: The segmentation of the image, at any size.
            times_ms: Time of each of `STAGES`; also the age of the result since the arrival of the
                frame, if arrival is simulated or live.
            ground: Projects the camera's masks onto the ground; None if this is not possible.
            sharing: Number of frames, of different cameras, that were segmented in this inference.

        Returns:
            The figures of the frame, ready for JSON.
        """
        self._frames += 1
        self._image_shape = image.shape
        image = resize(image, result.size)
        self._drivable_fraction.append(result.area.fraction)
        found = result.confidence
        if result.ego is not None and not result.ego.all():  # where it is, the confidence is 0
            found = found[~result.ego]
        confidence = self._confidence.update(found, frame)
        seen = Frame(
            self._label_space,
            image,
            result.labels,
            result.drivable,
            result.confidence,
            ego=result.ego,
            ground=ground,
        )
        previous = self._last
        if previous is not None and previous.image.shape == image.shape:
            seen = replace(seen, previous=previous)
        of_frame = MetricSet(metrics_with(truth=False), self._label_space)
        of_frame.update(seen)
        self._metrics.add(of_frame)
        self._last = replace(seen, previous=None)
        for time, milliseconds in times_ms.items():
            self._times_ms[time].append(milliseconds)
        self._busy_ms += times_ms['decode'] + times_ms['inference'] / sharing
        return {
            'drivable_fraction': result.area.fraction,
            'confidence': confidence,
            **of_frame.figures(of_frame=True),
            **{f'{time}_ms': milliseconds for time, milliseconds in times_ms.items()},
        }

    def compare(self, truth: Pixels) -> dict[str, Any]:
        """Counts the ground truth of the frame of the last `update`.

        Args:
            truth: (H, W) class ids, `IGNORE` for none, as large as the image or the labels. It is
                resized from the first size to the second. Pixels of the vehicle itself do not
                count.

        Returns:
            The figures of the frame, and its confusion matrix.

        Raises:
            UserError: The ground truth has another size, or an id that is not a class.
        """
        assert self._last is not None, 'a frame comes before its truth'
        truth = truth_at(truth, self._image_shape, self._last.labels.shape)
        truth = truth_outside(truth, self._last.ego)
        of_frame = Accuracy(self._label_space)
        of_frame.update(replace(self._last, truth=truth))
        self._accuracy.add(of_frame)
        return of_frame.of_frame()

    def compare_recorded(
        self, frame: RecordedFrame, problems: Problems
    ) -> tuple[dict[str, Any], Pixels | None]:
        """Counts the ground truth of a recorded frame, which is that of the last `update`.

        Args:
            frame: The frame.
            problems: Gets a problem if the ground truth cannot be used.

        Returns:
            The figures of the frame, as of `compare`, and its ground truth, (H, W) class ids;
            none if there is no ground truth that can be used.
        """
        try:
            truth = frame.truth(self._label_space)
            return ({} if truth is None else self.compare(truth)), truth
        except UserError as error:
            problems.add('ground-truth images could not be used', f'{frame.place}: {error}')
            return {}, None

    def add(self, other: Evaluation) -> None:
        """Adds the counts of another camera."""
        self._frames += other._frames
        self._accuracy.add(other._accuracy)
        self._confidence.add(other._confidence)
        self._drivable_fraction.add(other._drivable_fraction)
        self._metrics.add(other._metrics)
        for time, samples in self._times_ms.items():
            samples.add(other._times_ms[time])
        self._busy_ms += other._busy_ms

    def figures(self) -> dict[str, Any]:
        """Returns all figures, ready for JSON."""
        return {
            'evaluated_frames': self._frames,
            'accuracy': self._accuracy.figures() if self._accuracy.frames else None,
            'drivable_fraction': self._drivable_fraction.figures(),
            'confidence': self._confidence.figures(),
            **self._metrics.figures(),
            **self._metrics.details(),
            'latency_ms': {stage: self._times_ms[stage].figures() for stage in STAGES},
            'age_ms': self._times_ms['age'].figures(),
            'fps': 1e3 * self._frames / self._busy_ms if self._busy_ms else None,
        }


def together(evaluations: Iterable[Evaluation], label_space: LabelSpace) -> Evaluation:
    """Returns the evaluation of several cameras together."""
    total = Evaluation(label_space)
    for evaluation in evaluations:
        total.add(evaluation)
    return total


def _mean_level(pixels: npt.NDArray[np.int64]) -> float:
    """Returns the mean, 0 to 1, of a histogram over levels 0 to 255."""
    return float(np.arange(256) @ pixels) / 255 / int(pixels.sum())
