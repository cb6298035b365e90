# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ONNX files, for TensorRT, ONNX Runtime and the tools of most accelerators."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import torch

from bisenet_ros.engine.pipeline import Pipeline
from bisenet_ros.extras import advice
from bisenet_ros.onnx_program import onnx_program
from bisenet_training.export.format import Array, Format, example_input
from bisenet_training.export.metadata import ExportError, Metadata

if TYPE_CHECKING:
    import onnxruntime

OPSET = 18
"""Released in 2022: old enough for accelerator tools, new enough for torch's exporter."""

CUDA = 'CUDAExecutionProvider'


class Onnx(Format):
    """One file with its weights. Its metadata is in `metadata_props`."""

    title: ClassVar[str] = 'ONNX'
    suffix: ClassVar[str] = '.onnx'
    packages: ClassVar[tuple[str, ...]] = ('onnx', 'onnxruntime', 'onnxscript')
    extra: ClassVar[str] = 'onnx'

    def best_device(self) -> str:
        import onnxruntime

        return 'auto' if CUDA in onnxruntime.get_available_providers() else 'cpu'

    def write(self, pipeline: Pipeline, metadata: Metadata, path: Path) -> None:
        import onnx

        program = onnx_program(
            pipeline,
            example_input(metadata, batch=2),
            input_name=metadata.interface.input,
            output_name=metadata.interface.output,
            opset=OPSET,
            dynamic_shapes=({0: torch.export.Dim('batch')},),
        )
        model = program.model_proto
        onnx.helper.set_model_props(model, metadata.to_dict())
        onnx.checker.check_model(model)
        onnx.save(model, path)

    def open(self, path: Path, device: torch.device) -> OnnxModel:
        return OnnxModel(path, device)


class OnnxModel:
    """An ONNX file in ONNX Runtime."""

    def __init__(self, path: Path, device: torch.device) -> None:
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as errors

        if device.type == 'cuda' and CUDA not in onnxruntime.get_available_providers():
            raise ExportError(
                'ONNX Runtime is installed without CUDA: use device cpu, or '
                f'{advice("onnxruntime-gpu")}'
            )
        provider: str | tuple[str, dict[str, str]] = 'CPUExecutionProvider'
        if device.type == 'cuda':
            provider = CUDA, {'device_id': str(device.index)}
        refusals = (
            errors.Fail,
            errors.InvalidArgument,
            errors.InvalidGraph,
            errors.InvalidProtobuf,
            errors.NotImplemented,
        )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.add_session_config_entry('session.intra_op.allow_spinning', '0')
        try:
            self._session: onnxruntime.InferenceSession = onnxruntime.InferenceSession(
                path.read_bytes(),  # because it opens no file whose name is not UTF-8
                options,
                providers=[provider],
            )
        except refusals as error:
            raise ExportError(f'{path} cannot be run by ONNX Runtime ({error})') from error
        documents = self._session.get_modelmeta().custom_metadata_map
        self.metadata = Metadata.from_dict(path, documents)

    def __call__(self, images: Array) -> Array:
        (result,) = self._session.run(None, {self.metadata.interface.input: images})
        output: Array = result
        return output
