# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reads published weights files of PyTorch."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from bisenet_ros.errors import UserError

# What torch.load raises for a file that holds no weights. It has no error of its own for that.
_DAMAGE = (EOFError, LookupError, RuntimeError, UnpicklingError, ValueError, struct.error)


def load_pytorch_file(path: Path, what: str) -> Mapping[str, Any]:
    """Reads the tensors of a .pth file with torch's `weights_only`.

    Args:
        path: The file.
        what: The network that the weights should be for, used in messages.

    Raises:
        UserError: The file cannot be read, or holds something else.
    """
    try:
        content = torch.load(path, map_location='cpu', weights_only=True)
    except OSError as error:
        raise UserError(f'cannot read {path}: {error.strerror or error}') from error
    except _DAMAGE as error:
        raise UserError(
            f'{path} is not a weights file of PyTorch: give the published .pth of {what}'
        ) from error
    if not isinstance(content, Mapping):
        raise UserError(f'{path} does not hold the weights of {what}')
    return content
