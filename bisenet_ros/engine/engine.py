# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What every engine is to the segmenter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor

Frame = npt.NDArray[np.uint8]
"""(H, W, 3) BGR, contiguous or not."""


class Engine(Protocol):
    """Runs one network at one size, on one device, in one precision.

    An engine is made for good: what it compiles or captures, it does in its constructor or at its
    first call, which `Segmenter.load` makes. A frame's logits do not depend on the frames beside
    it, and stay what they are when the next ones come. One thread calls it at a time.

    Attributes:
        name: What it is called in `engine`, in diagnostics and in reports.
    """

    name: str

    def __call__(self, frames: Sequence[Frame]) -> Tensor:
        """From frames to the coarse logits of the network.

        Args:
            frames: At least one, each of any size from 32x32: the engine brings them to the size
                of the network, as `bisenet_ros.preprocess.resize` does.

        Returns:
            (B, C, h', w') float32, where h' and w' are those of the network's size, padded to
            multiples of 32, over 8. On the engine's device; channels last saves copies later.
        """
