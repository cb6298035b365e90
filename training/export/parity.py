# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Compares an exported file with the checkpoint in PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from bisenet_ros.checkpoint import Checkpoint
from bisenet_ros.formatting import percent
from bisenet_ros.resizing import resize
from bisenet_training.export.format import Model, to_input
from bisenet_training.export.metadata import ExportError, Precision


@dataclass(frozen=True)
class Tolerance:
    """Maximum difference between an exported file and PyTorch.

    Attributes:
        logits: Maximum difference of a logit, relative to the largest logit.
        labels: Maximum fraction of pixels with a different label.
    """

    logits: float
    labels: float


TOLERANCES: dict[Precision, Tolerance] = {
    # Different orders of addition, and pixels where two classes are nearly equal.
    'fp32': Tolerance(logits=1e-3, labels=5e-4),
    # 11 bits instead of 24.
    'fp16': Tolerance(logits=5e-2, labels=1e-2),
}


@dataclass(frozen=True)
class Parity:
    """Differences between a file and PyTorch in float32, over some frames.

    Attributes:
        frames: Number of frames.
        differing_labels: Fraction of pixels with a different label, 0 to 1.
        max_logit_difference: Largest difference of a logit; None if the file gives only labels.
        max_logit: Largest magnitude of a logit in PyTorch.
    """

    frames: int
    differing_labels: float
    max_logit_difference: float | None
    max_logit: float

    def check(self, tolerance: Tolerance) -> None:
        """Checks the differences.

        Raises:
            ExportError: The differences exceed the tolerance.
        """
        difference = self.max_logit_difference or 0.0
        # The negation also catches NaN.
        if not (
            self.differing_labels <= tolerance.labels
            and difference <= tolerance.logits * self.max_logit
        ):
            raise ExportError(
                f'the exported model differs from PyTorch ({self}): nothing was written; please '
                'report this with the versions of torch and of the format'
            )

    def __str__(self) -> str:
        labels = f'{percent(self.differing_labels, 4)} of the labels differ'
        if self.max_logit_difference is None:
            return labels
        return f'{labels}, logits by {self.max_logit_difference:.2g} of {self.max_logit:.3g}'


def compare(
    model: Model, checkpoint: Checkpoint, frames: Sequence[npt.NDArray[np.uint8]]
) -> Parity:
    """Runs frames through a file and through the network of the checkpoint.

    The file gets all frames in one batch, the network gets them one by one.

    Args:
        model: The file.
        checkpoint: The exported checkpoint, with the network size of the file.
        frames: (H, W, 3) uint8 BGR, of any sizes; at least one.
    """
    network = checkpoint.build()
    shown = np.stack([resize(frame, checkpoint.network_size) for frame in frames])
    outputs = model(to_input(model.metadata, shown))
    differing, difference, largest = [], 0.0, 0.0
    for image, output in zip(shown, outputs, strict=True):
        with torch.inference_mode():
            normalized = checkpoint.normalization(torch.from_numpy(image[None]))
            logits = network(normalized)[0].numpy()  # (C, h, w)
        largest = max(largest, float(np.abs(logits).max()))
        gives_logits = model.metadata.interface.output == 'logits'
        labels = output.argmax(0) if gives_logits else output
        differing.append(float(np.mean(labels != logits.argmax(0))))
        if gives_logits:
            # Not max(), which would drop a NaN.
            difference = float(np.maximum(difference, np.abs(output - logits).max()))
    return Parity(
        frames=len(frames),
        differing_labels=float(np.mean(differing)),
        max_logit_difference=difference if gives_logits else None,
        max_logit=largest,
    )
