# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Segments frames with an exported file, as `Segmenter` does with a checkpoint."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bisenet_ros.engine.hardware import resolve_device
from bisenet_ros.engine.upsample_argmax import upsample_argmax, upsample_confidence
from bisenet_ros.label_space import LabelSpace
from bisenet_ros.resizing import resize
from bisenet_training.export.format import Model, to_input
from bisenet_training.export.formats import FORMATS, SUFFIXES, format_of
from bisenet_training.export.metadata import ExportError

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class ExportedSegmentation:
    """The output of an exported model for a frame, at the size of the frame.

    Attributes:
        labels: (H, W) class ids.
        logits: (C, h, w) at the network size; None from a model that gives only labels.
    """

    labels: Pixels
    logits: Tensor | None

    @cached_property
    def confidence(self) -> Pixels | None:
        """(H, W): the softmax probability of the label times 255; None without logits."""
        if self.logits is None:
            return None
        return upsample_confidence(self.logits, *_grown(self.logits, self.labels.shape))


class ExportedSegmenter:
    """An exported model, ready to run; created by `load`.

    Attributes:
        label_space: Label space of the ids.
        network_size: (width, height) of the network's input.
        device: `cpu` or `cuda:N`.
        precision: `fp32` or `fp16`, of the file.
        engine: The format of the file, a key of `FORMATS`.
        drivable_threshold: Exported models have none.
        claim: What the checkpoint states about its errors; it does not hold without its threshold.
    """

    drivable_threshold = 0.0

    def __init__(self, model: Model, device: torch.device, engine: str) -> None:
        self._model = model
        self.label_space: LabelSpace = model.metadata.checkpoint.label_space
        self.network_size = model.metadata.checkpoint.network_size
        self.claim = model.metadata.checkpoint.claim
        self.device = str(device)
        self.precision = model.metadata.interface.precision
        self.engine = engine

    @classmethod
    def load(cls, path: Path, *, device: str = 'auto') -> ExportedSegmenter:
        """Loads a file written by `bisenet export`, in any format.

        Args:
            path: The file; its extension gives the format.
            device: `auto`, `cpu`, `cuda` or `cuda:N`; OpenVINO files run on the CPU.

        Raises:
            UserError: The file does not exist, is damaged or was not exported by this package, its
                runtime is not installed, or the device is not available.
        """
        name = format_of(path)
        if name is None:
            raise ExportError(
                f'{path}: the name of an exported model must end with {", ".join(SUFFIXES)}'
            )
        if not os.path.isfile(path):
            raise ExportError(f'{path}: no such file')
        known = FORMATS[name]
        known.check_installed()
        where = resolve_device(known.best_device() if device == 'auto' else device)
        return cls(known.open(path, where), where, name)

    def __call__(self, frame: Pixels) -> ExportedSegmentation:
        """Segments a frame, (H, W, 3) uint8 BGR."""
        height, width = frame.shape[:2]
        shown = np.ascontiguousarray(resize(frame, self.network_size))[None]
        (output,) = self._model(to_input(self._model.metadata, shown))
        if self._model.metadata.interface.output == 'labels':
            labels = cv2.resize(output, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
            return ExportedSegmentation(np.asarray(labels, np.uint8), None)
        logits = torch.from_numpy(output)  # (C, h, w)
        labels = upsample_argmax(logits, *_grown(logits, (height, width)))
        return ExportedSegmentation(labels, logits)


def _grown(logits: Tensor, size: tuple[int, ...]) -> tuple[tuple[int, int], tuple[float, float]]:
    """Returns the target size (H, W) of logits and the scale factors to it."""
    height, width = size
    return (height, width), (height / logits.shape[1], width / logits.shape[2])
