# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The interface of engines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bisenet_ros.errors import UserError
from bisenet_ros.network import SegmentationNetwork
from bisenet_ros.preprocess import Normalization

Frame = npt.NDArray[np.uint8]
"""(H, W, 3) BGR, contiguous or not."""


class Engine(Protocol):
    """Runs one network at one size, on one device, in one precision.

    An engine cannot be reconfigured. It compiles and captures in its constructor, or at the first
    call with a number of frames; `Segmenter.load` makes that of a single frame. Later calls do not
    overwrite the logits of earlier ones. The other frames of a batch change a frame's logits only
    by rounding: a GPU may use other algorithms for other batch sizes. Only one thread may call an
    engine at a time.

    Attributes:
        name: Its key in `ENGINES`, used in diagnostics and reports.
        notes: Where it deviates from what was intended, and why, one line each. Any call may add
            lines; none are removed.
    """

    name: str
    notes: list[str]

    def __call__(self, frames: Sequence[Frame]) -> Tensor:
        """Computes the coarse logits of frames.

        Args:
            frames: At least one, each of any size from 32x32. The engine resizes them to the
                network's size as `bisenet_ros.resizing.resize` does.

        Returns:
            (B, C, h', w') float32 on the engine's device. h' and w' are those of the network's
            size, padded to multiples of 32, divided by 8. Channels last saves copies later.
        """


class EngineConstructor(Protocol):
    """The signature of every engine's constructor."""

    def __call__(
        self,
        network: SegmentationNetwork,
        normalization: Normalization,
        network_size: tuple[int, int],
        device: torch.device,
        precision: str,
    ) -> Engine:
        """Makes an engine.

        Args:
            network: In evaluation mode; not changed.
            normalization: The normalisation that the network expects.
            network_size: (width, height) to run the network at.
            device: Where to run; of a type that the registry names for the engine.
            precision: A key of `DTYPES`.

        Raises:
            UnsupportedNetworkError: The engine does not support an operation of the network.
        """


class UnsupportedNetworkError(UserError):
    """An engine does not support an operation of a network."""
