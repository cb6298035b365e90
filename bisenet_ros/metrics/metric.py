# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The interface of metrics: `Frame` is their input, `Figure` describes their results."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from bisenet_ros.drivable import drivable_mask
from bisenet_ros.ground.tables import GroundTables
from bisenet_ros.label_space import IGNORE, LabelSpace
from bisenet_ros.resizing import resize_ids

if TYPE_CHECKING:
    from typing_extensions import Self

Pixels = npt.NDArray[np.uint8]
Unit = Literal['fraction', 'px', 'm', 'ms', 'frames', 'Hz']
"""Units of figures; a fraction is 0 to 1."""


@dataclass(frozen=True)
class Figure:
    """Describes a number.

    Attributes:
        name: Its name in JSON and in criteria.
        title: Its name in reports.
        unit: Its unit.
        better: Whether higher or lower values are better; None for neither.
        per_frame: Whether it is defined for a single frame; else only for a whole run.
    """

    name: str
    title: str
    unit: Unit = 'fraction'
    better: Literal['higher', 'lower'] | None = 'higher'
    per_frame: bool = True


@dataclass(frozen=True)
class Frame:
    """The input of a metric for one frame.

    Attributes:
        label_space: Label space of labels and ground truth.
        image: (H, W, 3) BGR.
        labels: (H, W) class ids, `IGNORE` where there is no label.
        drivable: (H, W), 255 where the vehicle may drive, else 0.
        confidence: (H, W) probability of the label times 255; None if the model gives none.
        truth: (H, W) true class ids, `IGNORE` where unknown; None without ground truth.
        ego: (H, W), where the vehicle itself is; None without an ego mask.
        ground: Projects masks onto the ground; None if CameraInfo or pose are unknown.
        previous: The previous frame of the same camera and size; None for the first one.
    """

    label_space: LabelSpace
    image: Pixels
    labels: Pixels
    drivable: Pixels
    confidence: Pixels | None = None
    truth: Pixels | None = None
    ego: npt.NDArray[np.bool_] | None = None
    ground: GroundTables | None = None
    previous: Frame | None = None

    @cached_property
    def known(self) -> npt.NDArray[np.bool_]:
        """(H, W), where there is ground truth."""
        return np.asarray(self.true_labels != IGNORE)

    @cached_property
    def true_drivable(self) -> Pixels:
        """(H, W), 255 where the ground truth is drivable, else 0."""
        ids = self.label_space.ids_of(self.label_space.drivable)
        return drivable_mask(self.true_labels, ids)

    @property
    def true_labels(self) -> Pixels:
        """The ground truth, for metrics that need it."""
        assert self.truth is not None, 'a metric with needs_truth got a frame without ground truth'
        return self.truth


def truth_at(truth: Pixels, image: tuple[int, ...], found: tuple[int, ...]) -> Pixels:
    """Resizes the ground truth of an image to the size of its labels, by nearest neighbour.

    Args:
        truth: (H, W) class ids; returned unchanged if it is not as large as the image.
        image: Shape of the image, (H, W) or (H, W, 3).
        found: Shape of the labels, (h, w).
    """
    return resize_ids(truth, (found[1], found[0])) if truth.shape == image[:2] else truth


def truth_outside(truth: Pixels, ego: npt.NDArray[np.bool_] | None) -> Pixels:
    """Returns the ground truth with `IGNORE` where the vehicle itself is.

    Args:
        truth: (h, w) class ids; returned unchanged if it is not as large as `ego`.
        ego: (h, w), where the vehicle is; None without an ego mask.
    """
    if ego is None or truth.shape != ego.shape:
        return truth
    return np.where(ego, np.uint8(IGNORE), truth)


class Metric(ABC):
    """Accumulates counts over frames; counts of metrics of the same class can be added.

    Attributes:
        figures: Its figures, and the method that computes each; NaN if nothing was counted.
        needs_truth: Whether it needs ground truth.
    """

    figures: ClassVar[Mapping[Figure, Callable[[Any], float]]]
    needs_truth: ClassVar[bool] = True

    def __init__(self, label_space: LabelSpace) -> None:
        self.label_space = label_space

    @abstractmethod
    def update(self, frame: Frame) -> None:
        """Counts a frame.

        Raises:
            UserError: The ground truth has another size, or an id that is not a class.
        """

    @abstractmethod
    def add(self, other: Self) -> None:
        """Adds the counts of another one."""

    def details(self) -> dict[str, Any]:
        """Returns further results by name in JSON, e.g. figures by class."""
        return {}

    def by_class(self, values: npt.NDArray[np.float64]) -> dict[str, float | None]:
        """Converts (num_classes,) values to values by class name, ready for JSON."""
        names = self.label_space.names
        return {
            name: nan_to_none(value) for name, value in zip(names, values.tolist(), strict=True)
        }


class MetricSet:
    """Metrics that count the same frames.

    Args:
        metrics: Metric classes by name.
        label_space: Label space of labels and ground truth.
    """

    def __init__(self, metrics: Mapping[str, type[Metric]], label_space: LabelSpace) -> None:
        self._metrics = {name: metric(label_space) for name, metric in metrics.items()}

    def update(self, frame: Frame) -> None:
        """Counts a frame; see `Metric.update`."""
        for metric in self._metrics.values():
            metric.update(frame)

    def add(self, other: MetricSet) -> None:
        """Adds the counts of another one."""
        for name, metric in self._metrics.items():
            metric.add(other._metrics[name])

    def figures(self, *, of_frame: bool = False) -> dict[str, float | None]:
        """Returns the figures by name, ready for JSON.

        Args:
            of_frame: Whether to return only those defined for a single frame.
        """
        return {
            figure.name: nan_to_none(value(metric))
            for metric in self._metrics.values()
            for figure, value in metric.figures.items()
            if figure.per_frame or not of_frame
        }

    def details(self, *names: str) -> dict[str, Any]:
        """Returns the details of the named metrics, or of all."""
        details: dict[str, Any] = {}
        for name in names or self._metrics:
            details |= self._metrics[name].details()
        return details


def nan_to_none(value: float) -> float | None:
    """Converts a figure for JSON: NaN becomes None."""
    return None if math.isnan(value) else float(value)


def quantile(counts: Counter[int], share: float) -> float:
    """Returns the smallest number that at least a share, 0 to 1, of the counted ones do not exceed.

    It is NaN if nothing was counted.
    """
    seen, total = 0, counts.total()
    for value in sorted(counts):
        seen += counts[value]
        if seen >= share * total:
            return float(value)
    return float('nan')
