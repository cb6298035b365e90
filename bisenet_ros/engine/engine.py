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

    An engine is made for good: what it compiles or captures, it does in its constructor or at its
    first call, which `Segmenter.load` makes. A frame's logits stay what they are when the next
    ones come, and the frames beside it change them by rounding alone: a GPU may have other
    algorithms for other numbers of frames. One thread calls it at a time.

    Attributes:
        name: Its key in `ENGINES`: what diagnostics and reports call it.
        notes: What it does otherwise than it was meant to, and why, one line each. It may grow with
            any call; what is in it stays.
    """

    name: str
    notes: list[str]

    def __call__(self, frames: Sequence[Frame]) -> Tensor:
        """From frames to the coarse logits of the network.

        Args:
            frames: At least one, each of any size from 32x32: the engine brings them to the size
                of the network, as `bisenet_ros.resizing.resize` does.

        Returns:
            (B, C, h', w') float32, where h' and w' are those of the network's size, padded to
            multiples of 32, over 8. On the engine's device; channels last saves copies later.
        """


class EngineConstructor(Protocol):
    """How every engine is made."""

    def __call__(
        self,
        network: SegmentationNetwork,
        normalization: Normalization,
        network_size: tuple[int, int],
        device: torch.device,
        precision: str,
    ) -> Engine:
        """An engine.

        Args:
            network: In evaluation mode; not changed.
            normalization: What the network expects.
            network_size: (width, height) to run the network at.
            device: Where to run: of a type that the registry names for the engine.
            precision: A key of `DTYPES`.

        Raises:
            UnsupportedNetworkError: The network does something that the engine cannot.
        """


class UnsupportedNetworkError(UserError):
    """A network does something that an engine has no way to do."""


def first_line(error: Exception) -> str:
    """What an error of a library says, without what it adds for debuggers."""
    return str(error).strip().partition('\n')[0] or type(error).__name__
