# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Upsamples coarse logits to a label, or a confidence, for every pixel.

By definition, with `scale` in output pixels per node of the grid of logits:

    upsampled = F.interpolate(logits[None], scale_factor=scale, mode='bilinear',
                              align_corners=False, recompute_scale_factor=False)
    labels = upsampled[0, :, :height, :width].argmax(0)
    confidence = 255 * upsampled[0, :, :height, :width].softmax(0).amax(0)

in float32; of equal scores, the class with the lower id wins. On the CPU, `_upsample_argmax.c`
computes this about a hundred times as fast, without ever storing the upsampled logits. Its labels
are identical. If that library is missing, and on other devices, torch computes it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from bisenet_ros.engine.hardware import cpu_has
from bisenet_ros.engine.native import Tasks, tasks
from bisenet_ros.network import COARSE_STRIDE

MAX_CLASSES = 255
Shape = tuple[int, int]
"""(height, width), as in the shape of an array."""
Scale = tuple[float, float]
"""Output pixels per node of the grid: (along the height, along the width)."""

_LANES = 16  # how far the library reads past the end of an axis' weights
_ROWS_PER_TASK = 4  # rows of the grid; few enough to balance the load of the threads
_MAX_THREADS = 4  # more would only wait for memory


def scale_to(size: Shape, network_size: tuple[int, int]) -> Scale:
    """Computes the scale from a network's logits to an output size, as the ratio of the sizes.

    Args:
        size: (height, width) of the output: the frame's or another.
        network_size: (width, height) that the network ran at, without the padding at the right and
            the bottom.
    """
    width, height = network_size
    return COARSE_STRIDE * size[0] / height, COARSE_STRIDE * size[1] / width


def backend() -> Literal['native', 'torch']:
    """Returns which of the two implementations is used for CPU tensors on this machine."""
    return 'torch' if tasks('upsample_argmax') is None else 'native'


def upsample_argmax(logits: Tensor, size: Shape, scale: Scale) -> npt.NDArray[np.uint8]:
    """(C, h, w) float32 logits -> (height, width) uint8 labels; see the top of this module.

    On the CPU any layout is possible; channels last saves a copy. The label of a pixel with a logit
    that is not finite is undefined.

    Args:
        logits: Scores of 1 to 255 classes on a grid that covers at least `size`.
        size: Size of the output. What the grid has beyond it (padding) is cropped.
        scale: May differ between the axes, and need not be an integer.

    Raises:
        ValueError: The shape or type of the logits, the size or the scale is invalid.
    """
    _check(logits, size, scale)
    if logits.is_cpu and (draw := tasks('upsample_argmax')) is not None:
        return _run_native(draw, logits, size, scale)
    return argmax_in_torch(logits, size, scale).cpu().numpy()


def upsample_confidence(logits: Tensor, size: Shape, scale: Scale) -> npt.NDArray[np.uint8]:
    """Like `upsample_argmax`, but returns the label's softmax probability times 255, rounded."""
    _check(logits, size, scale)
    if logits.is_cpu and (draw := tasks('upsample_confidence')) is not None:
        return _run_native(draw, logits, size, scale)
    return confidence_in_torch(logits, size, scale).cpu().numpy()


def _check(logits: Tensor, size: Shape, scale: Scale) -> None:
    if logits.dim() != 3 or logits.dtype != torch.float32 or not 1 <= len(logits) <= MAX_CLASSES:
        raise ValueError(
            f'logits must be (1 to {MAX_CLASSES} classes, h, w) float32, '
            f'not {tuple(logits.shape)} {logits.dtype}'
        )
    for pixels, nodes, factor in zip(size, logits.shape[1:], scale, strict=True):
        # Half a pixel of tolerance: nodes * (pixels / nodes) need not equal pixels.
        if not (factor > 0 and 1 <= pixels <= nodes * factor + 0.5):
            raise ValueError(f'{nodes} nodes at a scale of {factor} do not make {pixels} pixels')


# ---- torch ----


def argmax_in_torch(logits: Tensor, size: Shape, scale: Scale) -> Tensor:
    """Like `upsample_argmax`, but on the device of the logits."""
    best = torch.full(size, -torch.inf, dtype=torch.float32, device=logits.device)
    labels = torch.zeros(size, dtype=torch.uint8, device=logits.device)
    for label, score in enumerate(_upsampled_classes(logits, size, scale)):
        labels.masked_fill_(score > best, label)
        best = torch.maximum(best, score)
    return labels


def confidence_in_torch(logits: Tensor, size: Shape, scale: Scale) -> Tensor:
    """Like `upsample_confidence`, but on the device of the logits."""
    # total is sum(exp(score - best)), rescaled whenever best grows.
    best = torch.full(size, -torch.inf, dtype=torch.float32, device=logits.device)
    total = torch.zeros(size, dtype=torch.float32, device=logits.device)
    for score in _upsampled_classes(logits, size, scale):
        higher = torch.maximum(best, score)
        total = total * (best - higher).exp_() + (score - higher).exp_()
        best = higher
    return (255 / total).round_().to(torch.uint8)


def _upsampled_classes(logits: Tensor, size: Shape, scale: Scale) -> Iterator[Tensor]:
    """Yields (height, width) float32 scores, one class after the other, to save memory."""
    height, width = size
    # Extra pixels after the last one change nothing, but avoid two special cases of torch: it
    # rounds small outputs differently, and at an unchanged size it copies and ignores the scale.
    rows, columns = max(height, 128) + 1, width + 1
    rows, columns = rows + (rows == logits.shape[1]), columns + (columns == logits.shape[2])
    for scores in logits:
        upsampled = torch.ops.aten.upsample_bilinear2d(
            scores[None, None].contiguous(), [rows, columns], False, *scale
        )
        yield upsampled[0, 0, :height, :width]


# ---- the library ----


class _CAxis(ctypes.Structure):
    """`struct axis`."""

    _fields_ = (
        ('lower', ctypes.c_void_p),
        ('upper', ctypes.c_void_p),
        ('start', ctypes.c_void_p),
        ('lower_weight', ctypes.c_void_p),
        ('upper_weight', ctypes.c_void_p),
        ('runs', ctypes.c_int32),
    )


class _CJob(ctypes.Structure):
    """`struct job`."""

    _fields_ = (
        ('scores', ctypes.c_void_p),
        ('grid_width', ctypes.c_int32),
        ('classes', ctypes.c_int32),
        ('x', _CAxis),
        ('y', _CAxis),
        ('output', ctypes.c_void_p),
        ('winners', ctypes.c_void_p),
        ('rows_per_task', ctypes.c_int32),
        ('lanes', ctypes.c_int32),
    )


@dataclass(frozen=True)
class Axis:
    """The two nodes that each pixel of an axis lies between, and their weights.

    A run is a sequence of pixels between the same two nodes.
    """

    lower: npt.NDArray[np.int32]  # (runs,)
    upper: npt.NDArray[np.int32]  # (runs,)
    start: npt.NDArray[np.int32]  # (runs + 1,) first pixel of each run, and the end of the last
    lower_weight: npt.NDArray[np.float32]  # (pixels + _LANES,)
    upper_weight: npt.NDArray[np.float32]  # (pixels + _LANES,)

    @classmethod
    @lru_cache(maxsize=64)
    def of(cls, nodes: int, pixels: int, scale: float) -> Axis:
        """Computes an axis as torch does, in float32: align_corners=False, clamped at both ends."""
        ratio = np.float64(np.float32(1 / scale))
        # In float64 and rounded once, like a fused multiply-add.
        position = (ratio * (np.arange(pixels) + 0.5) - 0.5).astype(np.float32)
        position = np.maximum(position, np.float32(0))
        lower = np.minimum(position.astype(np.int32), nodes - 1)
        upper_weight = np.minimum(position - lower.astype(np.float32), np.float32(1))
        start = np.flatnonzero(np.diff(lower, prepend=-1))
        return cls(
            lower=lower[start],
            upper=np.minimum(lower[start] + 1, nodes - 1),
            start=np.append(start, pixels).astype(np.int32),
            lower_weight=np.pad(np.float32(1) - upper_weight, (0, _LANES)),
            upper_weight=np.pad(upper_weight, (0, _LANES)),
        )

    def to_c(self) -> _CAxis:
        """Returns pointers into this axis, which must stay alive while they are used."""
        arrays = (self.lower, self.upper, self.start, self.lower_weight, self.upper_weight)
        return _CAxis(*(array.ctypes.data for array in arrays), len(self.lower))


def _run_native(draw: Tasks, logits: Tensor, size: Shape, scale: Scale) -> npt.NDArray[np.uint8]:
    """Draws the rows of the grid on several threads, a few rows at a time."""
    classes, grid_height, grid_width = logits.shape
    scores = logits.permute(1, 2, 0).contiguous()  # (h, w, C)
    y = Axis.of(grid_height, size[0], scale[0])
    x = Axis.of(grid_width, size[1], scale[1])
    output = np.empty(size, np.uint8)
    threads = min(torch.get_num_threads(), _MAX_THREADS)
    winners = np.empty((threads, 2 * grid_width), np.uint8)
    job = _CJob(
        scores.data_ptr(),
        grid_width,
        classes,
        x.to_c(),
        y.to_c(),
        output.ctypes.data,
        winners.ctypes.data,
        _ROWS_PER_TASK,
        16 if cpu_has('avx512') else 8 if cpu_has('avx2') else 4,
    )
    draw(job, -(-len(y.lower) // _ROWS_PER_TASK), threads)
    return output
