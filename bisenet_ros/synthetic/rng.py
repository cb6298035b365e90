# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Random streams, one for each thing in the world, so that the order of use is irrelevant."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np

Color = tuple[float, float, float]  # BGR, 0 to 255, in neutral light


def stream(seed: int, name: str, *numbers: int) -> np.random.Generator:
    """Returns the random stream of one thing in the world, the same on every call.

    Args:
        seed: The drive's seed.
        name: Purpose of the stream, such as 'block'.
        numbers: Further keys, such as the block's number; may be negative.
    """
    return np.random.default_rng(
        [seed & 0xFFFFFFFF, zlib.crc32(name.encode()), *(n & 0xFFFFFFFF for n in numbers)]
    )


def pick(rng: np.random.Generator, colors: Sequence[Color], spread: float = 8.0) -> Color:
    """Draws one of the colours, with small changes of lightness and tone (levels of 255)."""
    base = colors[int(rng.integers(len(colors)))]
    b, g, r = np.clip(np.array(base) + rng.normal(0, spread) + rng.normal(0, spread / 3, 3), 4, 250)
    return float(b), float(g), float(r)
