# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Computes 3x3 convolutions on x86 CPUs with fewer multiplications, as torch modules.

All but a few percent of a network's work is in 3x3 convolutions, and libraries for inference on
CPUs compute them directly. Winograd's F(4x4, 3x3) needs a quarter of the multiplications, and its
counterpart at stride 2 three fifths. Both need transforms of input and output (Lavin and Gray
2016), whose share of the time falls with the number of channels. `_winograd.c` describes and runs
the algorithm. This module transforms the weights and calls it.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bisenet_ros.engine.hardware import cpu_capability, cpu_has
from bisenet_ros.engine.native import library, tasks
from bisenet_ros.network import ConvNorm, SegmentationHead, SegmentationNetwork

Kernel = Literal['avx512_bf16', 'avx512', 'avx2']
"""The builds of the C file: one multiplies bf16 and sums in float32, two compute in float32."""

FloatArray = npt.NDArray[np.float32]

_PANEL = 64
_MAX_CHANNELS = 1024
_ROWS = 6
_BLOCK = 24 * 128  # tiles times channels that fit the L2 cache of a core
_TILES = {1: 4, 2: 3}  # by stride: outputs of a tile along an axis
_MIN_FLOPS = {'torch': 1.5e8, 'openvino': 2e8}
"""By engine: the minimum FLOP of a convolution that a call makes faster. It costs 0.1 ms, in which
eight cores do half of that work. In OpenVINO, it often costs a change of the layout as well."""

# G of F(4x4, 3x3) with the points 0, +-1/sqrt(2), +-sqrt(2), infinity. A filter of three taps is a
# polynomial: its value at each point, divided by the product of the distances to the other points.
_NEAR, _FAR = 0.5**0.5, 2**0.5
_FILTER_TRANSFORMS: dict[int, tuple[tuple[float, float, float], ...]] = {
    1: (
        (1, 0, 0),
        *((1 / d, point / d, point**2 / d) for point, d in ((_NEAR, -1.5), (-_NEAR, -1.5))),
        *((1 / d, point / d, point**2 / d) for point, d in ((_FAR, 6.0), (-_FAR, 6.0))),
        (0, 0, 1),
    ),
    # G of F(3, 2) for the two outer taps, and the middle tap once per output.
    2: ((1, 0, 0), (0.5, 0, 0.5), (0.5, 0, -0.5), (0, 0, 1), *((0.0, 1.0, 0.0),) * 3),
}
"""By stride."""

_VECTORS: dict[Kernel, tuple[int, int]] = {
    'avx512_bf16': (16, 4),
    'avx512': (16, 4),
    'avx2': (8, 2),
}
"""By kernel: LANES and COLUMNS of the C file."""


def kernel_for(precision: str) -> Kernel | None:
    """Returns the build for `bf16` or `fp32` on this machine; None if a library is as fast.

    With AMX, a CPU multiplies bf16 at least eight times as fast as float32, but only as matrices.
    There a library's direct convolution is kept. It is also kept for bf16 on a CPU without
    instructions for it, where a library has to emulate bf16.
    """
    kernels: tuple[Kernel, ...] = get_args(Kernel)
    if precision == 'bf16':
        kernels = kernels[:1] if cpu_capability() == kernels[0] else ()
    else:
        kernels = kernels[1:]
    for kernel in kernels:
        if cpu_has(kernel) and tasks(f'winograd_{kernel}') is not None:
            return kernel
    return None


def use_winograd(network: SegmentationNetwork, precision: str) -> None:
    """Replaces the convolutions that Winograd's algorithm makes faster on this machine, in place.

    In bf16 that is only the main head: for narrower convolutions, the conversions from bf16 to
    float32 and back cost what the algorithm gains.

    Args:
        network: With folded batch norms.
        precision: Precision of the network, `bf16` or `fp32`.
    """
    kernel = kernel_for(precision)
    if kernel is None:
        return
    for name, part in network.named_children():
        if type(part) is SegmentationHead:
            if is_supported(part.project.conv):
                head = WinogradConvolution(
                    part.project.conv, kernel, relu=True, classifier=part.classify
                )
                network.add_module(name, head)
        elif kernel != 'avx512_bf16':
            _replace_in(part, kernel)


def _replace_in(part: nn.Module, kernel: Kernel) -> None:
    for block in list(part.modules()):
        for name, conv in list(block.named_children()):
            if type(conv) is nn.Conv2d and is_supported(conv):
                relu = type(block) is ConvNorm and isinstance(block.relu, nn.ReLU)
                block.add_module(name, WinogradConvolution(conv, kernel, relu=relu))
                if relu:
                    block.add_module('relu', nn.Identity())


def is_supported(conv: nn.Conv2d) -> bool:
    """Whether the C file supports a convolution."""
    return (
        (conv.kernel_size, conv.padding, conv.padding_mode) == ((3, 3), (1, 1), 'zeros')
        and conv.stride in ((1, 1), (2, 2))
        and (conv.dilation, conv.groups) == ((1, 1), 1)
        and conv.bias is not None
        and conv.in_channels <= _MAX_CHANNELS
        and conv.in_channels % 32 == 0
        and conv.out_channels % _PANEL == 0
    )


class _CConvolution(ctypes.Structure):
    """`struct convolution`."""

    _fields_ = (
        ('filters', ctypes.c_void_p),
        ('bias', ctypes.c_void_p),
        ('floor', ctypes.c_float),
        ('in_channels', ctypes.c_int32),
        ('out_channels', ctypes.c_int32),
        ('stride', ctypes.c_int32),
    )


class _CClassifier(ctypes.Structure):
    """`struct classifier`."""

    _fields_ = (
        ('weights', ctypes.c_void_p),
        ('bias', ctypes.c_void_p),
        ('classes', ctypes.c_int32),
        ('lanes', ctypes.c_int32),
    )


class _CJob(ctypes.Structure):
    """`struct job`."""

    _fields_ = (
        ('convolution', ctypes.POINTER(_CConvolution)),
        ('classifier', ctypes.POINTER(_CClassifier)),
        ('input', ctypes.c_void_p),
        ('output', ctypes.c_void_p),
        ('input_height', ctypes.c_int32),
        ('input_width', ctypes.c_int32),
        ('height', ctypes.c_int32),
        ('width', ctypes.c_int32),
        ('tiles', ctypes.c_int32),
        ('scratch', ctypes.c_void_p),
    )


class WinogradConvolution(nn.Module):
    """A 3x3 convolution and the layers after it, for inference by one thread at a time.

    Its transformed weights keep their type when a network is moved to another dtype.

    Args:
        conv: A convolution that passes `is_supported`.
        kernel: A kernel that this machine can run. `avx512_bf16` needs a classifier.
        relu: Whether ReLU follows.
        classifier: A 1x1 convolution with a bias, after the ReLU; only at stride 1.

    Attributes:
        out_channels: Channels of the output, after the classifier if there is one.
        direct: The same as torch modules, for small images.
        operations: The operations of OpenVINO's graphs that this module computes.
    """

    direct: nn.Sequential

    def __init__(
        self,
        conv: nn.Conv2d,
        kernel: Kernel,
        *,
        relu: bool,
        classifier: nn.Conv2d | None = None,
    ) -> None:
        super().__init__()
        native, run = library(), tasks(f'winograd_{kernel}')
        assert native is not None
        assert run is not None
        assert conv.bias is not None
        # In bf16, the C file computes the classifier's output only.
        assert kernel != 'avx512_bf16' or classifier is not None
        self._run = run
        self.operations: list[object] = []
        # Read now: in the threads of other libraries, torch would return a number of their own.
        self._threads = torch.get_num_threads()
        self._scratch_size = native.winograd_scratch
        self._scratch_size.argtypes = (ctypes.c_void_p,)
        self._scratch_size.restype = ctypes.c_ssize_t
        self._size: tuple[int, ...] = ()  # (height, width) that the job is prepared for

        self._stride = conv.stride[0]
        paired = kernel == 'avx512_bf16'
        lanes, columns = _VECTORS[kernel]
        filters = _packed(_transformed(conv.weight, self._stride), lanes * columns, paired)
        bias = _floats(conv.bias)
        self._weights = [filters, bias]  # what the structures point to
        self._convolution = _CConvolution(
            filters.data_ptr(),
            bias.data_ptr(),
            0 if relu else -math.inf,
            conv.in_channels,
            conv.out_channels,
            self._stride,
        )
        self._classifier: _CClassifier | None = None
        self.out_channels = conv.out_channels
        self.direct = nn.Sequential(conv, *([nn.ReLU()] if relu else []))
        if classifier is not None:
            assert classifier.bias is not None
            self.direct.append(classifier)
            self.out_channels = classifier.out_channels
            beyond = (0, -self.out_channels % lanes)
            weights = _words(F.pad(classifier.weight.detach()[:, :, 0, 0].T, beyond), paired)
            bias = F.pad(_floats(classifier.bias), beyond)
            self._weights += [weights, bias]
            self._classifier = _CClassifier(
                weights.data_ptr(), bias.data_ptr(), self.out_channels, len(bias)
            )

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) of the output for an input of this size."""
        return -(-height // self._stride), -(-width // self._stride)

    def is_faster(self, engine: str, height: int, width: int) -> bool:
        """Whether this module is faster in an engine, for images of this size."""
        channels: int = self._convolution.in_channels * self._convolution.out_channels
        work = 18 * channels * math.prod(self.output_size(height, width))
        return work >= _MIN_FLOPS[engine]

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, h, w) on the CPU -> (B, out, h', w'); float32, channels last if `is_faster`."""
        if not self.is_faster('torch', *x.shape[2:]):
            output: Tensor = self.direct(x)
            return output
        batch, _, height, width = x.shape
        images = x.float().permute(0, 2, 3, 1).contiguous()
        shape = batch, *self.output_size(height, width), self.out_channels
        outputs = torch.empty(shape, dtype=torch.float32, device='cpu')
        self.compute(images.numpy(), outputs.numpy())
        return outputs.permute(0, 3, 1, 2)

    def compute(self, images: FloatArray, outputs: FloatArray) -> None:
        """Computes outputs (B, h', w', out) from images (B, h, w, in), both contiguous."""
        size = images.shape[1:3]
        if size != self._size:
            self._prepare(size)
        for index in range(len(images)):
            self._job.input = _address(images) + index * images.strides[0]
            self._job.output = _address(outputs) + index * outputs.strides[0]
            self._run(self._job, self._blocks, self._threads)

    def _prepare(self, size: tuple[int, ...]) -> None:
        """Prepares the job for images of a size, (height, width), to be reused for later ones."""
        output_size = self.output_size(*size)
        tiles = math.prod(-(-pixels // _TILES[self._stride]) for pixels in output_size)
        # Aims at a multiple of the threads as the number of blocks, so that no thread has to wait.
        most = max(_BLOCK // self._convolution.in_channels, _ROWS) * self._threads
        rounds = -(-tiles // most)
        block = -(-tiles // (self._threads * rounds * _ROWS)) * _ROWS
        classifier = self._classifier
        job = _CJob(
            ctypes.pointer(self._convolution),
            None if classifier is None else ctypes.pointer(classifier),
            None,
            None,
            *size,
            *output_size,
            block,
            None,
        )
        floats = self._threads * self._scratch_size(ctypes.byref(job))
        self._scratch = torch.zeros(floats, dtype=torch.float32, device='cpu')
        job.scratch = self._scratch.data_ptr()
        self._size, self._job, self._blocks = size, job, -(-tiles // block)


def _address(array: FloatArray) -> int:
    """Returns `array.ctypes.data`, which itself takes longer than the rest of a call in Python."""
    address: int = array.__array_interface__['data'][0]
    return address


def _transformed(weight: Tensor, stride: int) -> Tensor:
    """(out, in, 3, 3) filters -> G g G' as (planes, in, out).

    Computed without a matrix product, so that it is bit-identical for any number of threads.
    """

    def transform(taps: Sequence[Tensor]) -> list[Tensor]:
        rows = _FILTER_TRANSFORMS[stride]
        return [a * taps[0] + b * taps[1] + c * taps[2] for a, b, c in rows]

    rows = transform(_floats(weight).unbind(2))
    filters = torch.stack([value for row in rows for value in transform(row.unbind(2))])
    return filters.transpose(1, 2)


def _packed(filters: Tensor, width: int, paired: bool) -> Tensor:
    """Packs (planes, in, out) into words as the C file reads them: by panel, plane, `width`."""
    planes, depth, _ = filters.shape
    panels = (panel.reshape(planes, depth, -1, width) for panel in filters.split(_PANEL, 2))
    return torch.cat([_words(panel.transpose(1, 2), paired).flatten() for panel in panels])


def _floats(tensor: Tensor) -> Tensor:
    return tensor.detach().float().contiguous()


def _words(matrix: Tensor, paired: bool) -> Tensor:
    """Converts (..., depth, n) to words: float32, or pairs of bf16 adjacent along the depth."""
    if not paired:
        return _floats(matrix)
    *outer, depth, n = matrix.shape
    return matrix.bfloat16().reshape(*outer, depth // 2, 2, n).transpose(-1, -2).contiguous()
