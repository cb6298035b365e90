# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Creates files like published ones: tensors with their names and shapes, and pseudo-random values.

`test/importing/published` has the names and shapes of every layout, and the logits that the
layout's own implementation computed with these values for `image()`.
"""

from __future__ import annotations

import json
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

PUBLISHED = Path(__file__).parent / 'importing' / 'published'

LAYOUTS = tuple(sorted(path.stem for path in PUBLISHED.glob('*.json')))


def published(layout: str) -> dict[str, Tensor]:
    """Returns the state dict of a layout, the same in every call and on every machine."""
    return dict(_published(layout))


def save_published(path: Path, layout: str, **changes: Tensor | None) -> Path:
    """Writes a file as the layout's implementation does, with some tensors changed.

    Args:
        path: The file to write.
        layout: One of `LAYOUTS`.
        changes: Replacement by name of the tensor; None removes it.
    """
    tensors: dict[str, Any] = published(layout) | changes
    tensors = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    meta = {'CLASSES': ('road', 'sidewalk'), 'iter': 160000}
    torch.save({'meta': meta, 'state_dict': tensors} if layout.startswith('mm') else tensors, path)
    return path


def image() -> Tensor:
    """Returns (1, 3, 64, 96) normalised pixels."""
    pixels = np.random.RandomState(0).uniform(-2, 2, (1, 3, 64, 96))
    return torch.from_numpy(pixels.astype(np.float32))


def expected_logits(layout: str) -> Tensor:
    """Returns (1, classes, 4, 6) reference logits of `image()`, every 16th pixel from (5, 5)."""
    with np.load(PUBLISHED / 'logits.npz') as logits:
        return torch.from_numpy(logits[layout])


def sample(logits: Tensor) -> Tensor:
    """Returns the pixels of `logits` that `expected_logits` has."""
    return logits[:, :, 5::16, 5::16]


@cache  # they take as long as an import
def _published(layout: str) -> dict[str, Tensor]:
    shapes = json.loads((PUBLISHED / f'{layout}.json').read_text())
    return {name: _tensor(name, tuple(shape)) for name, shape in shapes.items()}


def _tensor(name: str, shape: tuple[int, ...]) -> Tensor:
    """Returns values seeded by the name; RandomState gives the same in every version of NumPy."""
    if name.endswith('num_batches_tracked'):
        return torch.tensor(1000)
    if name.endswith('running_var'):
        low, high = 0.5, 2.0
    elif len(shape) == 4:  # He initialization, so that activations neither vanish nor explode
        high = float(np.sqrt(6 / np.prod(shape[1:])))
        low = -high
    elif name.endswith('weight'):
        low, high = 0.5, 1.5
    else:
        low, high = -0.3, 0.3
    numbers = np.random.RandomState(zlib.crc32(name.encode())).uniform(low, high, shape)
    return torch.from_numpy(numbers.astype(np.float32))
