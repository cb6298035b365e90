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

# What torch.load raises at what is no weights file: it has no error of its own for that.
_DAMAGE = (EOFError, LookupError, RuntimeError, UnpicklingError, ValueError, struct.error)


def load_pytorch_file(path: Path, what: str) -> Mapping[str, Any]:
    """Read the tensors of a .pth file, and nothing else that it may hold.

    Args:
        path: The file.
        what: Whose weights it should hold, for messages.

    Raises:
        UserError: It cannot be read, or is something else.
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
