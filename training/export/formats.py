# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Registry of export formats, by name and by file extension."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from bisenet_training.export.format import Format
from bisenet_training.export.onnx_format import Onnx
from bisenet_training.export.openvino_format import OpenVino
from bisenet_training.export.torchscript_format import TorchScript

FormatName = Literal['onnx', 'openvino', 'torchscript']

FORMATS: dict[FormatName, Format] = {
    'onnx': Onnx(),
    'openvino': OpenVino(),
    'torchscript': TorchScript(),
}

SUFFIXES = tuple(known.suffix for known in FORMATS.values())
"""Extensions of exported files."""


def format_of(path: Path) -> FormatName | None:
    """Returns the name of a file's format by its extension; None if it is unknown."""
    return next((name for name, known in FORMATS.items() if path.suffix == known.suffix), None)
