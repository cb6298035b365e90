# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a checkpoint to a file in another format, which is kept only if it does the same."""

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
from bisenet_ros.limits import MIN_SIDE
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
    """Write a file, and say how well it agrees with PyTorch.

    It is made beside its place and moved there when it has passed, so that whatever happens there
    is never a file that was not compared.

    Args:
        checkpoint: What to export.
        target: The format.
        output: The file; an older one is replaced.
        interface: What goes in and what comes out.
        network_size: (width, height) of the images; None for what the checkpoint was trained for.
        frames: (H, W, 3) uint8 BGR images to compare on, at least one.
        device: Where the file is run to compare it: `auto`, `cpu`, `cuda` or `cuda:N`.

    Raises:
        UserError: The name does not fit the format, the format's packages are not installed, the
            device is not there, the file cannot be written, or it does not agree; then there is no
            file.
    """
    if output.suffix != target.suffix:
        raise ExportError(f'{output}: names of {target.title} files end with {target.suffix}')
    target.check_installed()
    where = resolve_device(target.best_device() if device == 'auto' else device)
    if network_size is not None:
        if min(network_size) < MIN_SIDE:
            raise ExportError(f'the network size is at least {MIN_SIDE}x{MIN_SIDE}')
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
            # What belongs beside the file first: once it is there, it is whole.
            for file in sorted(Path(folder).iterdir(), key=lambda file: file == made):
                os.replace(file, output.with_name(file.name))
    except OSError as error:
        raise ExportError(f'{output}: {error.strerror or error}') from error
    return parity
