# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files such as others publish, with the names and shapes of theirs and numbers made up here.

`test/importing/published` has the names and shapes of every layout, and the logits that the
network of the layout's own implementation gave with these numbers for `image()`.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

PUBLISHED = Path(__file__).parent / 'importing' / 'published'

LAYOUTS = tuple(sorted(path.stem for path in PUBLISHED.glob('*.json')))


def published(layout: str) -> dict[str, Tensor]:
    """The state dict of a layout, the same in every call and on every machine."""
    shapes = json.loads((PUBLISHED / f'{layout}.json').read_text())
    return {name: _tensor(name, tuple(shape)) for name, shape in shapes.items()}


def save_published(path: Path, layout: str, **changes: Tensor | None) -> Path:
    """Write a layout's file as its implementation does, with tensors replaced, or removed by None.

    Args:
        path: Where to.
        layout: One of `LAYOUTS`.
        changes: Tensors by name.
    """
    tensors: dict[str, Any] = published(layout) | changes
    tensors = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    meta = {'CLASSES': ('road', 'sidewalk'), 'iter': 160000}
    torch.save({'meta': meta, 'state_dict': tensors} if layout.startswith('mm') else tensors, path)
    return path


def image() -> Tensor:
    """(1, 3, 64, 96) normalised pixels."""
    pixels = np.random.RandomState(0).uniform(-2, 2, (1, 3, 64, 96))
    return torch.from_numpy(pixels.astype(np.float32))


def expected_logits(layout: str) -> Tensor:
    """(1, classes, 4, 6): what theirs gave for `image()`, each 16th pixel from (5, 5) on."""
    with np.load(PUBLISHED / 'logits.npz') as logits:
        return torch.from_numpy(logits[layout])


def sample(logits: Tensor) -> Tensor:
    """The pixels that `expected_logits` has."""
    return logits[:, :, 5::16, 5::16]


def _tensor(name: str, shape: tuple[int, ...]) -> Tensor:
    """Numbers that go by the name; RandomState's are the same in every version of NumPy."""
    if name.endswith('num_batches_tracked'):
        return torch.tensor(1000)
    if name.endswith('running_var'):
        low, high = 0.5, 2.0
    elif len(shape) == 4:  # He et al.'s, so that a signal neither fades nor explodes
        high = float(np.sqrt(6 / np.prod(shape[1:])))
        low = -high
    elif name.endswith('weight'):
        low, high = 0.5, 1.5
    else:
        low, high = -0.3, 0.3
    numbers = np.random.RandomState(zlib.crc32(name.encode())).uniform(low, high, shape)
    return torch.from_numpy(numbers.astype(np.float32))
