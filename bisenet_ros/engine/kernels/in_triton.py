# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Launches the kernels that are written in Triton."""

from __future__ import annotations

import torch
import triton
from torch import Tensor
from triton.errors import TritonError as TritonError  # for callers

from bisenet_ros.engine.kernels.geometry import ROWS, Geometry
from bisenet_ros.engine.kernels.resampling import Resampling
from bisenet_ros.engine.kernels.triton_kernels import (
    aggregate_kernel,
    concatenate_pooled_kernel,
    depthwise_kernel,
    draw_kernel,
    prepare_kernel,
)
from bisenet_ros.engine.upsample_argmax import Scale, Shape
from bisenet_ros.label_space import IGNORE
from bisenet_ros.network import Upsampling
from bisenet_ros.preprocess import Normalization

VALUES = 512
"""Values, channels times pixels, that one program of `prepare_kernel` writes."""

COLUMNS = 128
"""Columns that one program of `draw_kernel` writes."""

TILE = 512
"""Values, pixels times channels, that one program of the other kernels writes."""


def prepare(
    frame: Tensor, target: Tensor, resampling: Resampling, normalization: Normalization
) -> None:
    """See `Kernels.prepare`."""
    height, width = target.shape[:2]
    prepare_kernel[triton.cdiv(3 * width, VALUES), height](
        frame,
        target,
        resampling.x.first,
        resampling.x.weights,
        resampling.y.first,
        resampling.y.weights,
        *frame.shape[:2],
        width,
        target.stride(0),
        target.stride(1),
        resampling.x.count,
        resampling.y.count,
        resampling.scale,
        resampling.bias,
        *(value for channel in normalization.affine for value in channel),
        reverse=normalization.channel_order == 'rgb',
        truncate=resampling.truncates,
        block=VALUES,
        enable_fp_fusion=False,
    )


def draw(
    logits: Tensor,
    size: Shape,
    scale: Scale,
    drivable: Tensor,
    min_confidence: int,
    min_drivable_confidence: int,
    *,
    with_confidence: bool,
) -> Tensor:
    """See `Kernels.draw`."""
    classes, *grid = logits.shape
    geometry = Geometry.of((grid[0], grid[1]), size, scale, logits.device)
    planes = torch.empty(
        (3 if with_confidence else 2, *size), dtype=torch.uint8, device=logits.device
    )
    height, width = size
    draw_kernel[triton.cdiv(width, COLUMNS), len(geometry.tiles)](
        logits,
        *logits.stride(),
        geometry.tiles,
        geometry.below,
        geometry.columns,
        geometry.right,
        drivable,
        planes,
        height,
        width,
        classes,
        min_confidence,
        min_drivable_confidence,
        with_confidence=with_confidence,
        ignored=IGNORE,
        tile_rows=ROWS,
        tile_columns=COLUMNS,
        enable_fp_fusion=False,
    )
    return planes


def depthwise(images: Tensor, weights: Tensor, biases: Tensor, stride: int, relu: bool) -> Tensor:
    """See `Kernels.depthwise`."""
    images = images.contiguous(memory_format=torch.channels_last)
    batch, sources, height, width = images.shape
    channels = len(biases)
    out_height, out_width = (-(-size // stride) for size in (height, width))
    out = _empty_like(images, (batch, channels, out_height, out_width))
    grid, tile = _tiles(batch, channels, out_height, out_width)
    depthwise_kernel[grid](
        images,
        weights,
        biases,
        out,
        height,
        width,
        out_height,
        out_width,
        channels,
        multiplier=channels // sources,
        stride=stride,
        relu=relu,
        **tile,
    )
    return out


def aggregate(
    fine: Tensor, gate: Tensor, coarse: Tensor, coarse_gate: Tensor, upsampling: Upsampling
) -> Tensor:
    """See `Kernels.aggregate`."""
    fine, gate, coarse, coarse_gate = (
        tensor.contiguous(memory_format=torch.channels_last)
        for tensor in (fine, gate, coarse, coarse_gate)
    )
    batch, channels, height, width = fine.shape
    out = torch.empty_like(fine)
    grid, tile = _tiles(batch, channels, height, width)
    aggregate_kernel[grid](
        fine,
        gate,
        coarse,
        coarse_gate,
        out,
        height,
        width,
        *gate.shape[2:],
        channels,
        bilinear=upsampling == 'bilinear',
        **tile,
    )
    return out


def concatenate_pooled(features: Tensor, images: Tensor) -> Tensor:
    """See `Kernels.concatenate_pooled`."""
    features, images = (
        tensor.contiguous(memory_format=torch.channels_last) for tensor in (features, images)
    )
    batch, channels, out_height, out_width = features.shape
    out = _empty_like(images, (batch, 2 * channels, out_height, out_width))
    grid, tile = _tiles(batch, channels, out_height, out_width)
    concatenate_pooled_kernel[grid](
        features,
        images,
        out,
        *images.shape[2:],
        out_height,
        out_width,
        channels,
        **tile,
    )
    return out


def _empty_like(images: Tensor, shape: tuple[int, int, int, int]) -> Tensor:
    """Returns an uninitialised tensor of another shape, channels last."""
    return torch.empty(
        shape, dtype=images.dtype, device=images.device, memory_format=torch.channels_last
    )


def _tiles(
    batch: int, channels: int, height: int, width: int
) -> tuple[tuple[int, int, int], dict[str, int]]:
    """Divides channels-last images into the tiles of one program each, parts of a row.

    Returns:
        The grid of programs, and the arguments of a kernel that say how large a tile is.
    """
    tile_channels = next((size for size in (64, 32) if channels % size == 0), 16)
    tile_pixels = TILE // tile_channels
    grid = triton.cdiv(width, tile_pixels), triton.cdiv(channels, tile_channels), batch * height
    return grid, {'tile_pixels': tile_pixels, 'tile_channels': tile_channels}
