# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Converts a module to ONNX with torch's exporter, which needs the packages onnx and onnxscript."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor, nn


def onnx_program(
    module: nn.Module,
    example: Tensor,
    *,
    input_name: str,
    output_name: str,
    opset: int | None = None,
    dynamic_shapes: tuple[Any, ...] | None = None,
) -> torch.onnx.ONNXProgram:
    """Converts a module of one input and one output; `model_proto` of the result is the model.

    Args:
        module: The module, in evaluation mode.
        example: An input on the CPU.
        input_name: Name of the input in the model.
        output_name: Name of the output.
        opset: Version of the operators; None for the exporter's default.
        dynamic_shapes: Axes of any length, as of `torch.onnx.export`; None if all are fixed.
    """
    with warnings.catch_warnings():
        # torch's exporter uses deprecated functions of torch.
        warnings.simplefilter('ignore', FutureWarning)
        program = torch.onnx.export(
            module,
            (example,),
            input_names=[input_name],
            output_names=[output_name],
            opset_version=opset,
            dynamic_shapes=dynamic_shapes,
            dynamo=True,
            verbose=False,
        )
    assert program is not None  # None only from the old exporter
    return program
