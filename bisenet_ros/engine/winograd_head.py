# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The main head of a network on an x86 CPU, in a quarter of the multiplications.

BiSeNet V2's head, 3x3 to 1024 channels, is two fifths of its work, and its shape is the one that
Winograd's F(4x4, 3x3) fits best (Lavin and Gray 2016): few pixels, many channels. Libraries for
inference on CPUs compute it directly. `_winograd_head.c` does what is said there; this is the other
half.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from bisenet_ros.engine.hardware import cpu_flags
from bisenet_ros.engine.native import job_function, library, share_out
from bisenet_ros.network import SegmentationHead

Kernel = Literal['avx512_bf16', 'avx512', 'avx2']
"""The builds of the C file: what multiplies bf16 and sums in float32, and two for float32."""

_FLAGS = {
    'avx512_bf16': {'avx512f', 'avx512bw', 'avx512vl', 'avx512_bf16'},
    'avx512': {'avx512f', 'avx512bw', 'avx512vl'},
    'avx2': {'avx2', 'fma'},
}
_PANEL = 64
_LANES = 16
_MAX_CHANNELS = 1024
_ROWS = 6
_BLOCK = 24 * 128  # tiles times channels that the L2 cache of a core has room for

# G of F(4x4, 3x3) with the points 0, +-1/sqrt(2), +-sqrt(2), infinity: a filter of three taps, as a
# polynomial, at each of them, divided by the product of the point's distances to the others.
_NEAR, _FAR = 0.5**0.5, 2**0.5
_FILTER_TRANSFORM = (
    (1.0, 0.0, 0.0),
    *((1 / d, point / d, point**2 / d) for point, d in ((_NEAR, -1.5), (-_NEAR, -1.5))),
    *((1 / d, point / d, point**2 / d) for point, d in ((_FAR, 6.0), (-_FAR, 6.0))),
    (0.0, 0.0, 1.0),
)


def kernel_for(precision: str) -> Kernel | None:
    """The build for `bf16` or `fp32` on this machine; None if a library is as fast or faster.

    With AMX, a CPU multiplies eight times as many bf16 as float32 or more, and matrices of them
    only: there the direct convolution of a library is left alone.
    """
    if precision == 'bf16' and 'amx_bf16' in cpu_flags():
        return None
    kernels: tuple[Kernel, ...] = get_args(Kernel)
    for kernel in kernels if precision == 'bf16' else kernels[1:]:
        if _FLAGS[kernel] <= cpu_flags() and job_function(f'winograd_head_{kernel}') is not None:
            return kernel
    return None


class _CHead(ctypes.Structure):
    """`struct head`."""

    _fields_ = (
        ('filters', ctypes.c_void_p),
        ('bias', ctypes.c_void_p),
        ('classifier', ctypes.c_void_p),
        ('classifier_bias', ctypes.c_void_p),
        ('in_channels', ctypes.c_int32),
        ('mid_channels', ctypes.c_int32),
        ('classes', ctypes.c_int32),
        ('lanes', ctypes.c_int32),
    )


class _CJob(ctypes.Structure):
    """`struct job`."""

    _fields_ = (
        ('head', ctypes.POINTER(_CHead)),
        ('features', ctypes.c_void_p),
        ('height', ctypes.c_int32),
        ('width', ctypes.c_int32),
        ('tiles', ctypes.c_int32),
        ('scratch', ctypes.c_void_p),
        ('logits', ctypes.c_void_p),
    )


class WinogradHead:
    """Computes what a head does in evaluation mode. For one thread at a time.

    Args:
        head: With its batch norm folded, and numbers of channels as `of` wants them. Not kept.
        kernel: One that this machine can run.
    """

    @classmethod
    def of(cls, head: SegmentationHead, precision: str) -> WinogradHead | None:
        """For `bf16` or `fp32`; None if this head is as fast or faster in a library here."""
        kernel = kernel_for(precision)
        conv = head.project.conv
        fits = (
            conv.in_channels <= _MAX_CHANNELS
            and conv.in_channels % (2 * _LANES) == 0
            and conv.out_channels % _PANEL == 0
        )
        return cls(head, kernel) if fits and kernel is not None else None

    def __init__(self, head: SegmentationHead, kernel: Kernel) -> None:
        native, run = library(), job_function(f'winograd_head_{kernel}')
        assert native is not None
        assert run is not None
        self._run = run
        self._scratch_size = native.winograd_head_scratch
        self._scratch_size.argtypes = (ctypes.c_void_p,)
        self._scratch_size.restype = ctypes.c_ssize_t

        conv, classify = head.project.conv, head.classify
        assert conv.bias is not None
        assert classify.bias is not None
        paired = kernel == 'avx512_bf16'
        classes = classify.out_channels
        lanes = -(-classes // _LANES) * _LANES
        beyond = (0, lanes - classes)
        self._weights = (
            _words(_transformed(conv.weight), paired),
            conv.bias.detach().float().contiguous(),
            _words(F.pad(classify.weight.detach()[:, :, 0, 0].T, beyond), paired),
            F.pad(classify.bias.detach(), beyond),
        )
        self._head = _CHead(
            *(tensor.data_ptr() for tensor in self._weights),
            conv.in_channels,
            conv.out_channels,
            classes,
            lanes,
        )
        self._scratch: list[Tensor] = []

    def __call__(self, features: Tensor) -> Tensor:
        """(B, in, h, w) float32 on the CPU -> logits (B, classes, h, w), both channels last."""
        batch, _, height, width = features.shape
        seen = features.permute(0, 2, 3, 1).contiguous()
        logits = torch.empty(batch, height, width, self._head.classes)
        for image, scores in zip(seen, logits, strict=True):
            self._run_on(image, scores)
        return logits.permute(0, 3, 1, 2)

    def _run_on(self, features: Tensor, logits: Tensor) -> None:
        """(h, w, in) -> (h, w, classes), both contiguous."""
        height, width, channels = features.shape
        tiles = -(-height // 4) * -(-width // 4)
        threads = torch.get_num_threads()
        # As many blocks as are a multiple of the threads, so that none waits for the others.
        most = max(_BLOCK // channels, _ROWS) * threads
        rounds = -(-tiles // most)
        block = -(-tiles // (threads * rounds * _ROWS)) * _ROWS
        job = _CJob(
            ctypes.pointer(self._head),
            features.data_ptr(),
            height,
            width,
            block,
            None,
            logits.data_ptr(),
        )
        self._reserve(threads, self._scratch_size(ctypes.byref(job)))

        def work(thread: int, blocks: Iterator[int]) -> None:
            own = _CJob.from_buffer_copy(job)
            own.scratch = self._scratch[thread].data_ptr()
            for number in blocks:
                first = number * block
                self._run(ctypes.byref(own), first, min(first + block, tiles))

        share_out(-(-tiles // block), work)

    def _reserve(self, threads: int, size: int) -> None:
        """Have scratch of at least `size` bytes for each thread."""
        if len(self._scratch) < threads or self._scratch[0].nbytes < size:
            self._scratch = [torch.zeros(size, dtype=torch.uint8) for _ in range(threads)]


def _transformed(weight: Tensor) -> Tensor:
    """(out, in, 3, 3) filters -> G g G' as (out / PANEL, 36, in, PANEL)."""
    transform = torch.tensor(_FILTER_TRANSFORM)
    filters = torch.einsum('ia,ocab,jb->ijco', transform, weight.detach().float(), transform)
    in_channels, out_channels = filters.shape[2:]
    panels = filters.reshape(36, in_channels, out_channels // _PANEL, _PANEL)
    return panels.permute(2, 0, 1, 3)


def _words(matrix: Tensor, paired: bool) -> Tensor:
    """(..., depth, n) as words: float32, or pairs of bf16, each of neighbours along the depth."""
    if not paired:
        return matrix.float().contiguous()
    *outer, depth, n = matrix.shape
    return matrix.bfloat16().reshape(*outer, depth // 2, 2, n).transpose(-1, -2).contiguous()
