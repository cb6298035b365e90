# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Our Winograd convolution as an operation of OpenVINO graphs."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

import openvino as ov

from bisenet_ros.engine.winograd import WinogradConvolution

# OpenVINO never releases the Python object that a `WinogradOp` gives it. The operation itself would
# keep the weights of its network in memory for ever, so it gives this one. OpenVINO reads only the
# name of its type.
_STAND_IN = type('WinogradOp', (), {})()
# OpenVINO may drop its references without Python's lock, so the count may be wrong by some. With
# these, it does not reach zero.
_REFERENCES = [_STAND_IN] * 10_000


class WinogradOp(ov.Op):
    """(B, h, w, in) float32 -> (B, h', w', out) float32, computed by a module.

    The module keeps the operation, not the other way round, so it must live as long as the graph.

    Args:
        inputs: The one input.
        module: Computes the output.
    """

    def __init__(self, inputs: Sequence[ov.Output], module: WinogradConvolution) -> None:
        super().__init__(_STAND_IN)
        module.operations.append(self)
        self._weak_module = weakref.ref(module)
        self._identity = id(module)
        self.set_arguments(inputs)
        self.constructor_validate_and_infer_types()

    @property
    def _module(self) -> WinogradConvolution:
        module = self._weak_module()
        assert module is not None
        return module

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
