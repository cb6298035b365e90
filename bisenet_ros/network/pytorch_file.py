# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reads published weights files of PyTorch."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from bisenet_ros.errors import UserError

DAMAGE = (
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    RuntimeError,
    TypeError,
    UnpicklingError,
    ValueError,
    struct.error,
)
"""What `torch.load` raises for a truncated or damaged file; it has no error of its own for that."""


def load_pytorch_file(path: Path, what: str) -> Mapping[str, Any]:
    """Reads the tensors of a .pth file with torch's `weights_only`.

    Args:
        path: The file.
        what: The network that the weights should be for, used in messages.

    Raises:
        UserError: The file cannot be read, or holds something else.
    """
    try:
        # Not from `path`: from a file, a damaged length is allocated before it is read.
        file = io.BytesIO(path.read_bytes())
        content = torch.load(file, map_location='cpu', weights_only=True)
    except OSError as error:
        raise UserError(f'cannot read {path}: {error.strerror or error}') from error
    except DAMAGE as error:
        raise UserError(
            f'{path} is not a weights file of PyTorch: give the published .pth of {what}'
        ) from error
    if not isinstance(content, Mapping) or not all(isinstance(name, str) for name in content):
        raise UserError(f'{path} does not hold the weights of {what}')
    return content
