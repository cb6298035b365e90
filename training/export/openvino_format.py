# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""OpenVINO files, for CPUs, GPUs and NPUs of Intel."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import torch

from bisenet_ros.checkpoint import METADATA_KEY
from bisenet_ros.engine.pipeline import Pipeline
from bisenet_training.export.format import Array, Format, example_input
from bisenet_training.export.metadata import EXPORT_KEY, ExportError, Metadata

SECTION = 'bisenet_ros'
"""Key of the metadata in the `rt_info` of a model."""


class OpenVino(Format):
    """Two files, NAME.xml and NAME.bin. The metadata is in `rt_info` of the first one."""

    title: ClassVar[str] = 'OpenVINO'
    suffix: ClassVar[str] = '.xml'
    packages: ClassVar[tuple[str, ...]] = ('openvino',)
    extra: ClassVar[str] = 'openvino'

    def best_device(self) -> str:
        return 'cpu'

    def write(self, pipeline: Pipeline, metadata: Metadata, path: Path) -> None:
        import openvino as ov

        from bisenet_ros.engine.openvino_graph import translate

        example = example_input(metadata, batch=1)
        interface = metadata.interface
        model = translate(
            pipeline,
            (-1, *example.shape[1:]),
            example.dtype,
            names=(interface.input, interface.output),
        )
        for name, document in metadata.to_dict().items():
            model.set_rt_info(document, [SECTION, name])
        # The pipeline already has the requested precision.
        try:
            ov.save_model(model, path, compress_to_fp16=False)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise ExportError(
                f'{path.name} cannot be written; is the disk full? ({reason})'
            ) from error

    def open(self, path: Path, device: torch.device) -> OpenVinoModel:
        return OpenVinoModel(path, device)


class OpenVinoModel:
    """An OpenVINO file on the CPU, in float32 even if the CPU has bfloat16."""

    def __init__(self, path: Path, device: torch.device) -> None:
        import openvino as ov

        from bisenet_ros.engine.openvino_core import core

        if device.type != 'cpu':
            raise ExportError(f'{path}: OpenVINO runs on the CPU here, not on {device}')
        try:
            model = core().read_model(path)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise ExportError(f'{path} cannot be run by OpenVINO ({reason})') from error
        documents = {
            name: model.get_rt_info([SECTION, name]).astype(str)
            for name in (METADATA_KEY, EXPORT_KEY)
            if model.has_rt_info([SECTION, name])
        }
        self.metadata = Metadata.from_dict(path, documents)
        self._compiled = core().compile_model(
            model,
            'CPU',
            {
                'INFERENCE_PRECISION_HINT': ov.Type.f32,
                'INFERENCE_NUM_THREADS': torch.get_num_threads(),
                'ENABLE_CPU_PINNING': False,
            },
        )

    def __call__(self, images: Array) -> Array:
        output: Array = self._compiled(images)[0]
        return output
