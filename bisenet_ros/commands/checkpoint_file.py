# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The checkpoint that a verb writes."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import torch

from bisenet_ros.checkpoint import Checkpoint
from bisenet_ros.errors import UserError, check_utf8, file_errors
from bisenet_ros.output_files import make_folder

SUFFIX = '.safetensors'


def check_name(output: Path) -> None:
    """Checks, before the work begins, that a file has the name of a checkpoint.

    Raises:
        UserError: It has another suffix, or is not UTF-8.
    """
    check_utf8(output, 'safetensors')
    if output.suffix != SUFFIX:
        raise UserError(f'{output}: the name of a checkpoint must end with {SUFFIX}')


def write_checkpoint(checkpoint: Checkpoint, output: Path, dtype: torch.dtype) -> None:
    """Writes a checkpoint; if that fails, an existing file is kept.

    Args:
        checkpoint: The checkpoint.
        output: The file.
        dtype: Type of its floating-point tensors.

    Raises:
        UserError: It cannot be written.
    """
    make_folder(output.parent)
    with (
        file_errors(output),
        tempfile.TemporaryDirectory(prefix='.checkpoint-', dir=output.parent) as folder,
    ):
        made = Path(folder, output.name)
        checkpoint.save(made, dtype=dtype)
        os.replace(made, output)
