# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The one door to inference: frames in, what is where in them out.

segmenter = Segmenter.load('camvid')
result = segmenter(frame)  # (H, W, 3) uint8 BGR, any size from 32x32
result.labels, result.confidence, result.drivable  # each (H, W) uint8
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bisenet_ros.checkpoint import DEFAULT_WEIGHTS, MIN_NETWORK_SIZE, Checkpoint
from bisenet_ros.drivable import without_small_areas
from bisenet_ros.engine.hardware import resolve_device, resolve_precision
from bisenet_ros.engine.labels import Labels, draw_labels
from bisenet_ros.engine.loading import load_engine
from bisenet_ros.engine.profiling import stage
from bisenet_ros.engine.registry import device_for
from bisenet_ros.engine.upsample_argmax import scale_to
from bisenet_ros.errors import UserError
from bisenet_ros.label_space import LabelSpace

MIN_FRAME_SIZE = 32


@dataclass(frozen=True)
class Options:
    """What may change from frame to frame: replace `Segmenter.options` with another.

    Attributes:
        confidence_threshold: A pixel is not labelled (`IGNORE`) if its confidence, 0 to 255, is
            below 255 times this.
        drivable_classes: Names of the classes that may be driven on; None for what the checkpoint
            says.
        min_drivable_area: Drivable components of a smaller fraction of the frame are dropped.

    Raises:
        UserError: A value is not in 0 to 1.
    """

    confidence_threshold: float = 0.0
    drivable_classes: tuple[str, ...] | None = None
    min_drivable_area: float = 0.0

    def __post_init__(self) -> None:
        for name in ('confidence_threshold', 'min_drivable_area'):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise UserError(f'{name} is a fraction from 0 to 1, not {value}')

    @property
    def lowest_confidence(self) -> int:
        """The least confidence, 0 to 255, with which a pixel is labelled."""
        # 255 * (51 / 255) may be a little more than 51, which is not to become 52.
        return math.ceil(255 * self.confidence_threshold - 1e-6)


class Segmentation:
    """What the network sees in one frame, at the size of the frame.

    Attributes:
        labels: (H, W) uint8 class ids; `IGNORE` where the confidence is below the threshold.
        label_space: What the ids mean, and which of them may be driven on.
    """

    def __init__(self, drawn: Labels, label_space: LabelSpace, min_drivable_area: float) -> None:
        self._drawn = drawn
        self._min_drivable_area = min_drivable_area
        self.label_space = label_space
        self.labels = drawn.labels

    @cached_property
    def confidence(self) -> npt.NDArray[np.uint8]:
        """(H, W): the softmax probability of the best class times 255, also where not labelled."""
        return self._drawn.confidence

    @cached_property
    def drivable(self) -> npt.NDArray[np.uint8]:
        """(H, W): 255 where the vehicle may drive, else 0."""
        return without_small_areas(self._drawn.drivable, self._min_drivable_area)


class Segmenter:
    """A network that is ready to run; made by `load`.

    Threads may share one: it runs for one of them at a time.

    Attributes:
        checkpoint: Where its weights and their meaning come from.
        network_size: (width, height) that frames are resized to for the network.
        device: `cpu` or `cuda:N`.
        precision: `fp16`, `bf16` or `fp32`.
        engine: What runs the network, a key of `bisenet_ros.engine.registry.ENGINES`.
        engine_note: Why that is not the engine that was to run, in one line; empty if it is.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        device: str,
        precision: str,
        engine: str = 'auto',
        network_size: tuple[int, int] | None,
        options: Options,
        self_check: bool = True,
    ) -> None:
        torch_device = resolve_device(device_for(engine, device))
        self.checkpoint = checkpoint
        self.network_size = _check_network_size(network_size or checkpoint.network_size)
        self.device = str(torch_device)
        self.precision = resolve_precision(precision, torch_device)
        self.options = options
        loaded = load_engine(
            engine,
            checkpoint.build(),
            checkpoint.normalization,
            self.network_size,
            torch_device,
            self.precision,
            self_check=self_check,
        )
        self._engine = loaded.engine
        self._engine_lock = threading.Lock()
        self.engine = self._engine.name
        self.engine_note = loaded.note

    @classmethod
    def load(
        cls,
        weights: str | Path = DEFAULT_WEIGHTS,
        *,
        device: str = 'auto',
        precision: str = 'auto',
        engine: str = 'auto',
        network_size: tuple[int, int] | None = None,
        confidence_threshold: float = 0.0,
        drivable_classes: Sequence[str] | None = None,
        min_drivable_area: float = 0.0,
        self_check: bool = True,
    ) -> Segmenter:
        """Read weights and set the network up.

        Args:
            weights: Name of weights that come with the package, or path of a checkpoint.
            device: `auto` (a GPU if there is one), `cpu`, `cuda` or `cuda:N`.
            precision: `auto` (the fastest that keeps the labels), `fp16`, `bf16` or `fp32`.
            engine: `auto` (the fastest there is) or a key of `ENGINES`.
            network_size: (width, height) to run the network at; None for what it was trained for.
            confidence_threshold: See `Options`, as for the next two.
            drivable_classes: Names of classes.
            min_drivable_area: Fraction of the frame.
            self_check: Compare the engine with plain torch, and take that where they differ.

        Raises:
            UserError: An argument is wrong, or asks for what is not here.
        """
        return cls(
            Checkpoint.load(weights),
            device=device,
            precision=precision,
            engine=engine,
            network_size=network_size,
            options=Options(
                confidence_threshold,
                None if drivable_classes is None else tuple(drivable_classes),
                min_drivable_area,
            ),
            self_check=self_check,
        )

    @property
    def options(self) -> Options:
        """Thresholds and drivable classes; replacing them takes effect with the next frame.

        Raises:
            UserError: A drivable class is none of the network's.
        """
        return self._options

    @options.setter
    def options(self, options: Options) -> None:
        label_space = self.checkpoint.label_space
        if options.drivable_classes is not None:
            label_space = replace(label_space, drivable=options.drivable_classes)
        self._options, self._label_space = options, label_space

    @property
    def notes(self) -> tuple[str, ...]:
        """`engine_note`, if any, and what the engine could not do as it was meant to; may grow."""
        return (*filter(None, (self.engine_note,)), *self._engine.notes)

    @property
    def label_space(self) -> LabelSpace:
        """The classes of the network, with the drivable ones as `options` has them."""
        return self._label_space

    def __call__(self, frame: npt.NDArray[np.uint8]) -> Segmentation:
        """Segment one frame; see `batch`."""
        return self.batch([frame])[0]

    def batch(self, frames: Sequence[npt.NDArray[np.uint8]]) -> list[Segmentation]:
        """Segment frames, of several cameras say, in one inference.

        Args:
            frames: (H, W, 3) uint8 BGR arrays, each of any size from 32x32, contiguous or not.

        Raises:
            UserError: A frame is something else.
        """
        for frame in frames:
            _check_frame(frame)
        if not frames:
            return []
        options, label_space = self._options, self._label_space
        drivable_ids = tuple(label_space.ids_of(label_space.drivable))
        with self._engine_lock:
            logits = self._engine(frames)
        # On a GPU, the labels of all frames are under way before those of the first are waited for.
        with stage('post'):
            drawn = [
                draw_labels(
                    coarse,
                    frame.shape[:2],
                    scale_to(frame.shape[:2], self.network_size),
                    drivable_ids,
                    options.lowest_confidence,
                )
                for coarse, frame in zip(logits, frames, strict=True)
            ]
            return [Segmentation(each, label_space, options.min_drivable_area) for each in drawn]


def _check_frame(frame: npt.NDArray[np.uint8]) -> None:
    if not isinstance(frame, np.ndarray):
        raise UserError(f'a frame is a NumPy array, not {type(frame).__name__}')
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3:
        raise UserError(
            f'a frame is (height, width, 3) uint8 in BGR order, not {frame.shape} {frame.dtype}'
        )
    height, width = frame.shape[:2]
    if min(width, height) < MIN_FRAME_SIZE:
        raise UserError(
            f'a frame of {width}x{height} is too small: from {MIN_FRAME_SIZE}x{MIN_FRAME_SIZE}'
        )


def _check_network_size(size: tuple[int, int]) -> tuple[int, int]:
    if len(size) != 2 or min(size) < MIN_NETWORK_SIZE:
        raise UserError(
            f'network_size is (width, height), each from {MIN_NETWORK_SIZE}, not {tuple(size)}'
        )
    return size[0], size[1]
