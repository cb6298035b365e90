# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`bisenet export`: converts weights to ONNX, OpenVINO or TorchScript."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bisenet_ros.checkpoint import Checkpoint
from bisenet_ros.console import notes, print_line
from bisenet_ros.formatting import counted
from bisenet_ros.media import IMAGE_SUFFIXES, MediaError, list_files, read_image
from bisenet_ros.output_files import write_json
from bisenet_ros.synthetic.drive import SyntheticDrive
from bisenet_training.export.exporting import export
from bisenet_training.export.formats import FORMATS, FormatName
from bisenet_training.export.metadata import Interface

MAX_FRAMES = 16
"""How many images of a folder are compared, evenly spread."""

_SYNTHETIC_FRAMES = (0, 150, 300, 450)
"""Frames of the synthetic drive that are compared."""

Pixels = npt.NDArray[np.uint8]


def export_weights(
    weights: str,
    format_name: FormatName,
    output: Path,
    interface: Interface,
    *,
    network_size: tuple[int, int] | None,
    frames_folder: Path | None,
    device: str,
    json_file: Path | None,
) -> None:
    """Exports weights, and prints how well the file agrees with PyTorch.

    Args:
        weights: Name of shipped weights, or a path.
        format_name: A key of `FORMATS`.
        output: The file.
        interface: Input, output and precision of the exported model.
        network_size: (width, height); None for the size that the weights were trained for.
        frames_folder: Images for the comparison; None for frames of the synthetic drive.
        device: Device for the comparison.
        json_file: JSON file for the figures, `-` for standard output.

    Raises:
        UserError: An argument is wrong, or the file does not agree with PyTorch.
    """
    checkpoint = Checkpoint.load(weights)
    where = 'the synthetic drive' if frames_folder is None else str(frames_folder)
    with notes.status(f'exporting to {FORMATS[format_name].title}'):
        parity = export(
            checkpoint,
            FORMATS[format_name],
            output,
            interface,
            network_size=network_size,
            frames=_render() if frames_folder is None else _read(frames_folder),
            device=device,
        )
    if json_file is not None:
        write_json(json_file, {'file': str(output), **vars(interface), **vars(parity)})
    print_line(
        notes,
        f'{output}: compared with PyTorch on {counted(parity.frames, "frame")} of {where}: '
        f'{parity}',
    )


def _render() -> Iterator[Pixels]:
    drive = SyntheticDrive(seed=0)
    for index in _SYNTHETIC_FRAMES:
        yield drive.frame(index)[0]


def _read(folder: Path) -> Iterator[Pixels]:
    files = list_files(folder, IMAGE_SUFFIXES)
    if not files:
        raise MediaError(f'{folder}: no images in this folder')
    chosen = np.linspace(0, len(files) - 1, min(len(files), MAX_FRAMES)).round().astype(int)
    for index in chosen:
        yield read_image(files[index])
