# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Exports a checkpoint to another format; keeps the file only if its output agrees."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bisenet_ros.checkpoint import Checkpoint
from bisenet_ros.engine.hardware import DTYPES, resolve_device
from bisenet_ros.engine.pipeline import Pipeline
from bisenet_training.export.format import Format
from bisenet_training.export.metadata import ExportError, Interface, Metadata
from bisenet_training.export.parity import TOLERANCES, Parity, compare


def export(
    checkpoint: Checkpoint,
    target: Format,
    output: Path,
    interface: Interface,
    *,
    network_size: tuple[int, int] | None,
    frames: Iterable[npt.NDArray[np.uint8]],
    device: str = 'cpu',
) -> Parity:
    """Writes a file and returns how well it agrees with PyTorch.

    The file is written in a temporary folder and moved to its place after the comparison, so that
    every exported file has been compared.

    Args:
        checkpoint: The checkpoint.
        target: The format.
        output: The file; an existing one is replaced.
        interface: Input, output and precision of the exported model.
        network_size: (width, height) of the input; None for that of the checkpoint.
        frames: (H, W, 3) uint8 BGR images for the comparison, at least one.
        device: Device for the comparison: `auto`, `cpu`, `cuda` or `cuda:N`.

    Raises:
        UserError: The extension does not match the format, packages of the format are missing, the
            device is not available, the network size is out of range, the file cannot be written,
            or its output differs. No file is written in these cases.
    """
    if output.suffix != target.suffix:
        raise ExportError(
            f'{output}: names of {target.title} files must end with {target.suffix}; --format '
            'chooses another format'
        )
    target.check_installed()
    where = resolve_device(target.best_device() if device == 'auto' else device)
    if network_size is not None:
        checkpoint = replace(checkpoint, network_size=network_size)
    compared = list(frames)
    metadata = Metadata(checkpoint, interface)
    pipeline = Pipeline(
        checkpoint.build(),
        checkpoint.network_size,
        normalization=checkpoint.normalization if interface.input == 'frames' else None,
        output=interface.output,
        dtype=DTYPES[interface.precision],
    ).eval()
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix='.export-', dir=output.parent) as folder:
            made = Path(folder, output.name)
            target.write(pipeline, metadata, made)
            parity = compare(target.open(made, where), checkpoint, compared)
            parity.check(TOLERANCES[interface.precision])
            # Move the main file last, so that it is complete as soon as it exists.
            for file in sorted(Path(folder).iterdir(), key=lambda file: file == made):
                os.replace(file, output.with_name(file.name))
    except OSError as error:
        raise ExportError(f'{output}: {error.strerror or error}') from error
    return parity
