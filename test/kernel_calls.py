# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Calls the GPU kernels with arrays, from tests in this or another process."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from importlib import metadata
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from bisenet_ros.engine.cuda_engine import CudaEngine
from bisenet_ros.engine.kernels import kernels_for
from bisenet_ros.engine.kernels.resampling import Resampling
from bisenet_ros.engine.upsample_argmax import Scale, Shape
from bisenet_ros.network import NETWORKS, SegmentationNetwork, Upsampling
from bisenet_ros.preprocess import ChannelOrder, Normalization

Image = npt.NDArray[np.uint8]


def _why_not_interpreted() -> str:
    """Returns why Triton's interpreter cannot run here; empty if it can."""
    if importlib.util.find_spec('triton') is None:
        return 'needs Triton'
    triton, numpy = (
        tuple(int(part) for part in metadata.version(name).split('.')[:2])
        for name in ('triton', 'numpy')
    )
    if triton < (3, 7) and numpy >= (2, 4):
        return f'the interpreter of Triton {triton[0]}.{triton[1]} fails with NumPy 2.4 and newer'
    return ''


needs_interpreter = pytest.mark.skipif(
    bool(_why_not_interpreted()), reason=_why_not_interpreted() or 'it runs here'
)

BEYOND = 7.0
"""Initial value of the target of `prepare`, which is larger than the network's size."""


def normalization(order: ChannelOrder = 'rgb') -> Normalization:
    return Normalization((0.4, 0.5, 0.6), (0.2, 0.25, 0.3), order)


def kernels_in_use(device: str) -> str:
    return getattr(kernels_for(torch.device(device)), '__name__', '').rpartition('.')[2]


def prepare(
    device: str, frame: Image, size: tuple[int, int], order: ChannelOrder
) -> npt.NDArray[np.float16]:
    """Prepares a frame at `size`, (width, height), in the top left of a larger target.

    The target, (height + 3, width + 5, 4), is returned without its last channel, which must not
    change.
    """
    width, height = size
    target = torch.full((height + 3, width + 5, 4), BEYOND, dtype=torch.float16, device=device)
    where = torch.device(device)
    kernels_for(where).prepare(
        torch.from_numpy(frame).to(device),
        target[:height, :width, :3],
        Resampling.between((frame.shape[1], frame.shape[0]), size, where),
        normalization(order),
    )
    assert (target[..., 3] == BEYOND).all()
    array: npt.NDArray[np.float16] = target[..., :3].cpu().numpy()
    return array


def draw(
    device: str,
    logits: npt.NDArray[np.float32],
    size: Shape,
    scale: Scale,
    *,
    drivable_ids: Sequence[int] = (),
    min_confidence: int = 0,
    with_confidence: bool = False,
    min_drivable_confidence: int = 0,
) -> Image:
    """Draws labels, mask and, if requested, confidence from logits of any layout."""
    drivable = torch.zeros(256, dtype=torch.uint8, device=device)
    drivable[list(drivable_ids)] = 255
    planes = kernels_for(torch.device(device)).draw(
        torch.from_numpy(logits).to(device),
        size,
        scale,
        drivable,
        min_confidence,
        min_drivable_confidence,
        with_confidence=with_confidence,
    )
    array: Image = planes.cpu().numpy()
    return array


def depthwise(
    device: str,
    images: npt.NDArray[Any],
    filters: npt.NDArray[Any],
    biases: npt.NDArray[Any],
    stride: int,
    relu: bool,
) -> npt.NDArray[Any]:
    """Convolves (B, C, h, w) images with (C', 1, 3, 3) filters, as in `nn.Conv2d`."""
    out = kernels_for(torch.device(device)).depthwise(
        torch.from_numpy(images).to(device).contiguous(memory_format=torch.channels_last),
        torch.from_numpy(filters)[:, 0].permute(1, 2, 0).contiguous().to(device),
        torch.from_numpy(biases).to(device),
        stride,
        relu,
    )
    array: npt.NDArray[Any] = out.cpu().numpy()
    return array


def aggregate(
    device: str, tensors: Sequence[npt.NDArray[Any]], upsampling: Upsampling
) -> npt.NDArray[Any]:
    """Aggregates one tensor (B, C, h, w) and three tensors (B, C, h/4, w/4)."""
    out = kernels_for(torch.device(device)).aggregate(
        *(
            torch.from_numpy(each).to(device).contiguous(memory_format=torch.channels_last)
            for each in tensors
        ),
        upsampling,
    )
    array: npt.NDArray[Any] = out.cpu().numpy()
    return array


def concatenate_pooled(
    device: str, features: npt.NDArray[Any], images: npt.NDArray[Any]
) -> npt.NDArray[Any]:
    """Appends pooled (B, C, h, w) images to (B, C, h/2, w/2) features."""
    out = kernels_for(torch.device(device)).concatenate_pooled(
        *(
            torch.from_numpy(each).to(device).contiguous(memory_format=torch.channels_last)
            for each in (features, images)
        )
    )
    assert out.is_contiguous(memory_format=torch.channels_last)
    array: npt.NDArray[Any] = out.cpu().numpy()
    return array


def build(name: str) -> SegmentationNetwork:
    """Returns an untrained network, the same in every process."""
    torch.manual_seed(0)
    return NETWORKS[name](7).eval()


def engine_on_cpu() -> CudaEngine:
    return CudaEngine(build('bisenetv2'), normalization(), (64, 64), torch.device('cpu'), 'fp32')


def engine_logits(
    device: str, name: str, network_size: tuple[int, int], frames: Sequence[Image]
) -> npt.NDArray[np.float32]:
    engine = CudaEngine(build(name), normalization(), network_size, torch.device(device), 'fp32')
    logits: npt.NDArray[np.float32] = engine(frames).cpu().numpy()
    return logits
