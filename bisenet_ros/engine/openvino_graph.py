# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Converts a torch module to an OpenVINO graph in memory.

OpenVINO's own converter handles any torch module, but takes more than a second: half of the time in
which a node should start. The networks here consist of two dozen operations.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino as ov
import torch
import torch.nn.functional as F
from openvino import opset13 as ops
from torch import Tensor, fx, nn

from bisenet_ros.engine.engine import UnsupportedNetworkError
from bisenet_ros.engine.openvino_winograd import WinogradOp
from bisenet_ros.engine.winograd import WinogradConvolution
from bisenet_ros.errors import first_line

Argument = Any
"""A value in a graph of torch.fx: an `ov.Output` in place of a tensor, or any Python value."""

_REFUSALS = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""Errors of torch.fx for code that it cannot trace, of OpenVINO for operands that do not fit, and
of the functions below for arguments that they do not support."""

_DTYPES = {
    torch.float16: np.float16,
    torch.float32: np.float32,
    torch.int64: np.int64,
    torch.uint8: np.uint8,
}


def translate(
    module: nn.Module, shape: Sequence[int], dtype: torch.dtype, *, names: tuple[str, str]
) -> ov.Model:
    """Converts a module to a model of OpenVINO.

    Args:
        module: In evaluation mode, with one input and one output tensor. Its operations must not
            depend on a tensor's values or shape.
        shape: Shape of the input; -1 for an axis that may vary.
        dtype: Data type of the input.
        names: Names of the input and the output.

    Raises:
        UnsupportedNetworkError: The module has an operation without a translation.
    """
    parameter = ops.parameter(list(shape), _DTYPES[dtype], names[0])
    parameter.output(0).set_names({names[0]})
    try:
        output = _Translation(module, graph=_trace(module)).run(parameter.output(0))
    except _REFUSALS as error:
        raise UnsupportedNetworkError(first_line(error)) from error
    output.set_names({names[1]})
    return ov.Model([ops.result(output)], [parameter], type(module).__name__)


def _trace(module: nn.Module) -> fx.Graph:
    """Traces the operations of a module."""
    tracer = _Tracer()
    graph = tracer.trace(module)
    # Tracing leaves reference cycles. If they held the module, its weights would stay in memory
    # until Python's next garbage collection.
    del tracer.root
    return graph


class _Tracer(fx.Tracer):
    """Keeps modules that have a translation as leaves, and traces into all others."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return type(m) in _MODULES or super().is_leaf_module(m, module_qualified_name)


class _Translation(fx.Interpreter):
    """Runs the graph of a module on OpenVINO's nodes in place of tensors."""

    def call_module(
        self, target: fx.node.Target, args: tuple[Argument, ...], kwargs: dict[str, Argument]
    ) -> Argument:
        module = self.fetch_attr(str(target))
        return _look_up(_MODULES, type(module))(module, *args)

    def call_function(
        self, target: fx.node.Target, args: tuple[Argument, ...], kwargs: dict[str, Argument]
    ) -> Argument:
        return _look_up(_FUNCTIONS, target)(*args, **kwargs)

    def call_method(
        self, target: fx.node.Target, args: tuple[Argument, ...], kwargs: dict[str, Argument]
    ) -> Argument:
        return _look_up(_METHODS, target)(*args, **kwargs)

    def get_attr(
        self, target: fx.node.Target, args: tuple[Argument, ...], kwargs: dict[str, Argument]
    ) -> Argument:
        return _constant(self.fetch_attr(str(target)))


def _look_up(
    table: dict[Any, Callable[..., Argument]], operation: object
) -> Callable[..., Argument]:
    translator = table.get(operation)
    if translator is None:
        raise NotImplementedError(f'{operation} has no translation to OpenVINO')
    return translator


def _needs(holds: bool, what: str) -> None:
    """Raises an error if a form of an operation has no translation."""
    if not holds:
        raise NotImplementedError(f'of this operation, only {what} can be translated to OpenVINO')


def _constant(tensor: Tensor) -> ov.Output:
    return ops.constant(tensor.detach().numpy()).output(0)


def _per_channel(tensor: Tensor) -> ov.Output:
    """(C,) as (1, C, 1, 1)."""
    return _constant(tensor[None, :, None, None])


def _integers(values: int | Sequence[int]) -> npt.NDArray[np.int64]:
    return np.asarray(values, np.int64)


def _pair(value: int | tuple[int, int]) -> list[int]:
    return [value, value] if isinstance(value, int) else list(value)


# ---- modules ----


def _convolution(conv: nn.Conv2d, x: ov.Output) -> ov.Output:
    if isinstance(conv.padding, str):
        raise NotImplementedError('padding by name has no translation to OpenVINO')
    _needs(conv.padding_mode == 'zeros', 'a convolution that pads with zeros')
    window = (list(conv.stride), list(conv.padding), list(conv.padding), list(conv.dilation))
    if conv.groups == 1:
        y = ops.convolution(x, _constant(conv.weight), *window)
    else:
        # (groups * out, in, ...) -> (groups, out, in, ...)
        weight = conv.weight.reshape(conv.groups, -1, *conv.weight.shape[1:])
        y = ops.group_convolution(x, _constant(weight), *window)
    if conv.bias is not None:
        y = ops.add(y, _per_channel(conv.bias))
    return y.output(0)


def _batch_norm(norm: nn.BatchNorm2d, x: ov.Output) -> ov.Output:
    if norm.running_mean is None or norm.running_var is None:
        raise NotImplementedError('a batch norm without statistics has no translation to OpenVINO')
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    shift = norm.bias - norm.running_mean * scale
    return ops.add(ops.multiply(x, _per_channel(scale)), _per_channel(shift)).output(0)


def _max_pool(pool: nn.MaxPool2d, x: ov.Output) -> ov.Output:
    window, stride, padding = map(_pair, (pool.kernel_size, pool.stride, pool.padding))
    _needs(_pair(pool.dilation) == [1, 1], 'max pooling without dilation')
    _needs(not pool.ceil_mode, 'max pooling that rounds down')
    return ops.max_pool(x, stride, [1, 1], padding, padding, window, 'floor').output(0)


def _average_pool(pool: nn.AvgPool2d, x: ov.Output) -> ov.Output:
    window, stride, padding = map(_pair, (pool.kernel_size, pool.stride, pool.padding))
    _needs(not pool.ceil_mode, 'average pooling that rounds down')
    _needs(pool.divisor_override is None, 'average pooling by the size of its window')
    excluded = not pool.count_include_pad
    return ops.avg_pool(x, stride, padding, padding, window, excluded, 'floor').output(0)


def _winograd(module: WinogradConvolution, x: ov.Output) -> ov.Output:
    height, width = (x.get_partial_shape()[axis].get_length() for axis in (2, 3))
    if not module.is_faster('openvino', height, width):
        for part in module.direct:
            x = _MODULES[type(part)](part, x)
        return x
    y = WinogradOp([_channels_last(x)], module)
    return ops.transpose(y, _integers([0, 3, 1, 2])).output(0)


def _channels_last(x: ov.Output) -> ov.Output:
    """(B, C, h, w) -> (B, h, w, C), the layout in which OpenVINO computes on CPUs anyway.

    OpenVINO removes this transposition, unless one result feeds both an operation of its own and
    one of ours. Therefore the output of another of our operations is used directly.
    """
    source = x.get_node()
    if source.get_type_name() == 'Transpose':
        given: ov.Output = source.input_value(0)
        if given.get_node().get_type_name() == WinogradOp.__name__:
            return given
    return ops.transpose(x, _integers([0, 2, 3, 1])).output(0)


_MODULES: dict[Any, Callable[..., Argument]] = {
    nn.AvgPool2d: _average_pool,
    nn.BatchNorm2d: _batch_norm,
    nn.Conv2d: _convolution,
    nn.Dropout: lambda _, x: x,
    nn.Identity: lambda _, x: x,
    nn.MaxPool2d: _max_pool,
    nn.ReLU: lambda _, x: ops.relu(x).output(0),
    nn.ReLU6: lambda _, x: ops.clamp(x, 0, 6).output(0),
    WinogradConvolution: _winograd,
}


# ---- functions ----


def _interpolate(
    x: ov.Output,
    *,
    size: None,
    scale_factor: float,
    mode: str,
    align_corners: bool | None,
    recompute_scale_factor: None,
    antialias: bool,
) -> ov.Output:
    _needs(mode in ('nearest', 'bilinear'), 'nearest or bilinear interpolation')
    _needs(size is None and not recompute_scale_factor, 'interpolation by a scale')
    _needs(not antialias, 'interpolation without a filter')
    if mode == 'nearest':
        kind, position = 'nearest', 'asymmetric'
    else:
        kind, position = 'linear_onnx', 'align_corners' if align_corners else 'half_pixel'
    return ops.interpolate(
        x,
        np.full(2, scale_factor, np.float32),
        kind,
        'scales',
        coordinate_transformation_mode=position,
        nearest_mode='floor',
        axes=_integers([2, 3]),
    ).output(0)


def _pad(x: ov.Output, padding: tuple[int, int, int, int], *, mode: str, value: None) -> ov.Output:
    left, right, top, bottom = padding
    _needs((mode, value) == ('constant', None), 'padding with zeros')
    zero = ops.convert_like(ops.constant(np.float32(0)), x)
    return ops.pad(
        x, _integers([0, 0, top, left]), _integers([0, 0, bottom, right]), 'constant', zero
    ).output(0)


def _get_item(x: Argument, key: Any) -> Argument:
    """`x[:, a:b, ...]`, from the first axis on, or an element of a tuple."""
    if not isinstance(x, ov.Output):
        return x[key]
    _needs(
        all(isinstance(part, slice) and part.step is None for part in key),
        'an index of slices without a step',
    )
    axes = [axis for axis, part in enumerate(key) if part != slice(None)]
    start = [key[axis].start or 0 for axis in axes]
    stop = [key[axis].stop for axis in axes]
    step = [1] * len(axes)
    return ops.slice(x, *map(_integers, (start, stop, step, axes))).output(0)


_FUNCTIONS: dict[Any, Callable[..., Argument]] = {
    F.interpolate: _interpolate,
    F.pad: _pad,
    F.relu: lambda x, **_: ops.relu(x).output(0),
    operator.add: lambda a, b: ops.add(a, b).output(0),
    operator.getitem: _get_item,
    operator.iadd: lambda a, b: ops.add(a, b).output(0),
    operator.mul: lambda a, b: ops.multiply(a, b).output(0),
    torch.cat: lambda parts, dim: ops.concat(list(parts), dim).output(0),
}


# ---- methods of tensors ----


def _to(x: ov.Output, dtype: torch.dtype) -> ov.Output:
    return ops.convert(x, _DTYPES[dtype]).output(0)


def _argmax(x: ov.Output, axis: int) -> ov.Output:
    best = ops.topk(x, _integers(1), axis, 'max', 'index', 'i64', stable=True)
    return ops.squeeze(best.output(1), _integers([axis])).output(0)


_METHODS: dict[Any, Callable[..., Argument]] = {
    'argmax': _argmax,
    'float': partial(_to, dtype=torch.float32),
    'index_select': lambda x, axis, indices: ops.gather(x, indices, _integers(axis)).output(0),
    'mean': lambda x, axes, keepdim: ops.reduce_mean(x, _integers(axes), keepdim).output(0),
    'permute': lambda x, *order: ops.transpose(x, _integers(order)).output(0),
    'sigmoid': lambda x: ops.sigmoid(x).output(0),
    'to': _to,
}
