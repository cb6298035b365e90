# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Our Winograd convolution as an operation of OpenVINO graphs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import openvino as ov

from bisenet_ros.engine.winograd import WinogradConvolution


class WinogradOp(ov.Op):
    """(B, h, w, in) float32 -> (B, h', w', out) float32, computed by a module.

    Args:
        inputs: The one input.
        module: Computes the output.
    """

    def __init__(self, inputs: Sequence[ov.Output], module: WinogradConvolution) -> None:
        super().__init__(self)
        self._module = module
        self._identity = id(module)
        self.set_arguments(inputs)
        self.constructor_validate_and_infer_types()

    def validate_and_infer_types(self) -> None:
        """Sets the type and shape of the output."""
        batch, height, width, _ = self.get_input_partial_shape(0)
        size = self._module.output_size(height.get_length(), width.get_length())
        shape = ov.PartialShape([batch, *size, self._module.out_channels])
        self.set_output_type(0, ov.Type.f32, shape)

    def clone_with_new_inputs(self, new_inputs: Sequence[ov.Output]) -> WinogradOp:
        """Returns the same operation on other inputs."""
        return WinogradOp(new_inputs, self._module)

    def visit_attributes(self, visitor: Any) -> bool:
        """Shows the module's identity: OpenVINO merges equal operations on the same input."""
        visitor.on_attributes({'module': self._identity})
        return True

    def has_evaluate(self) -> bool:
        """Returns True: `evaluate` can compute this operation."""
        return True

    def evaluate(self, outputs: Sequence[ov.Tensor], inputs: Sequence[ov.Tensor]) -> bool:
        """Computes the output."""
        self._module.compute(inputs[0].data, outputs[0].data)
        return True
