# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""TorchScript files, for programs in C++ that link libtorch."""

from __future__ import annotations

import io
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from bisenet_ros.checkpoint import METADATA_KEY
from bisenet_ros.engine.pipeline import Pipeline
from bisenet_training.export.format import Array, Format, example_input
from bisenet_training.export.metadata import EXPORT_KEY, ExportError, Metadata


class TorchScript(Format):
    """One file. Its metadata is in its extra files."""

    title: ClassVar[str] = 'TorchScript'
    suffix: ClassVar[str] = '.torchscript'

    def write(self, pipeline: Pipeline, metadata: Metadata, path: Path) -> None:
        with torch.inference_mode():
            traced = torch.jit.trace(pipeline, example_input(metadata, batch=2), check_trace=False)
        # Written by Python, because libtorch would abort the process on a full disk.
        whole = io.BytesIO()
        torch.jit.save(traced, whole, _extra_files=metadata.to_dict())
        path.write_bytes(whole.getbuffer())

    def open(self, path: Path, device: torch.device) -> TorchScriptModel:
        return TorchScriptModel(path, device)


class TorchScriptModel:
    """A TorchScript file, run by torch."""

    def __init__(self, path: Path, device: torch.device) -> None:
        # `load` replaces these with the bytes in the file.
        texts: dict[str, str | bytes] = {METADATA_KEY: '', EXPORT_KEY: ''}
        try:
            with path.open('rb') as file:  # libtorch takes no name that is not UTF-8
                self._module = torch.jit.load(file, device, _extra_files=texts)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[0]
            raise ExportError(f'{path} cannot be run by TorchScript ({reason})') from error
        documents = {name: text.decode() for name, text in texts.items() if isinstance(text, bytes)}
        # Missing extra files stay empty.
        self.metadata = Metadata.from_dict(
            path, {name: document for name, document in documents.items() if document}
        )
        self._device = device

    @torch.inference_mode()
    def __call__(self, images: Array) -> Array:
        shown = torch.from_numpy(np.ascontiguousarray(images)).to(self._device)
        output: Array = self._module(shown).cpu().numpy()
        return output
