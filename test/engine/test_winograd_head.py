# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A head by Winograd's algorithm is the head in PyTorch, but for rounding."""

from __future__ import annotations

import shutil
from collections.abc import Container, Iterator
from importlib.util import find_spec
from typing import get_args

import pytest
import torch
from torch import Tensor

from bisenet_ros.engine import native, winograd_head
from bisenet_ros.engine.hardware import cpu_flags
from bisenet_ros.engine.native import JobFunction
from bisenet_ros.engine.winograd_head import Kernel, WinogradHead, kernel_for
from bisenet_ros.network import NETWORKS, SegmentationHead, fold_batch_norm

KERNELS = [
    pytest.param(
        kernel,
        marks=pytest.mark.skipif(
            not winograd_head._FLAGS[kernel] <= cpu_flags(), reason=f'needs a CPU with {kernel}'
        ),
    )
    for kernel in get_args(Kernel)
]
# Of the norm of the logits. That of bf16 is what rounding each factor to 8 bits leaves of it.
TOLERANCE = {'avx512_bf16': 2e-2, 'avx512': 3e-6, 'avx2': 3e-6}

needs_compiler = pytest.mark.skipif(
    native.library() is None and shutil.which('cc') is None, reason='needs a C compiler'
)


def make_head(in_channels: int, mid_channels: int, classes: int) -> SegmentationHead:
    """With a folded batch norm that is not the identity, as engines have it."""
    generator = torch.manual_seed(0)
    head = SegmentationHead(in_channels, mid_channels, classes).eval()
    norm = head.project.norm
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean.normal_(0, 0.2, generator=generator)
    norm.running_var.uniform_(0.5, 2, generator=generator)
    return fold_batch_norm(head)


def make_features(batch: int, channels: int, height: int, width: int) -> Tensor:
    features = torch.randn(batch, channels, height, width).relu()
    return features.contiguous(memory_format=torch.channels_last)


def relative_error(logits: Tensor, head: SegmentationHead, features: Tensor) -> float:
    with torch.inference_mode():
        expected = head.double()(features.double())
    head.float()
    return float((logits - expected).norm() / expected.norm())


@pytest.fixture(params=[1, 2, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@needs_compiler
@pytest.mark.parametrize('kernel', KERNELS)
@pytest.mark.parametrize(
    ('channels', 'size'),
    [
        ((128, 1024, 19), (12, 16)),
        ((256, 256, 11), (8, 20)),
        ((64, 64, 1), (4, 4)),
        ((32, 128, 33), (30, 50)),
        ((160, 64, 255), (5, 7)),
        ((1024, 64, 2), (3, 1)),
        ((128, 128, 16), (1, 90)),
        ((128, 64, 48), (61, 43)),
    ],
)
def test_logits_are_those_of_torch(
    kernel: Kernel, channels: tuple[int, int, int], size: tuple[int, int]
) -> None:
    head = make_head(*channels)
    features = make_features(2, channels[0], *size)
    logits = WinogradHead(head, kernel)(features)
    assert logits.shape == (2, channels[2], *size)
    assert logits.dtype == torch.float32
    assert logits.permute(0, 2, 3, 1).is_contiguous()
    assert relative_error(logits, head, features) < TOLERANCE[kernel]


@needs_compiler
@pytest.mark.parametrize('kernel', KERNELS)
def test_neither_threads_nor_what_came_before_change_a_logit(kernel: Kernel, threads: int) -> None:
    """Blocks of tiles are cut for the threads, and scratch is used again."""
    head = make_head(64, 128, 7)
    winograd = WinogradHead(head, kernel)
    large, small = make_features(1, 64, 50, 70), make_features(1, 64, 9, 6)
    first = winograd(large)
    winograd(torch.full_like(small, 1e30))  # overflows, and leaves what is not finite behind
    assert torch.equal(winograd(large), first)

    torch.set_num_threads(1)
    assert torch.equal(winograd(large), first), threads


@needs_compiler
@pytest.mark.parametrize('kernel', KERNELS)
def test_features_in_any_layout(kernel: Kernel) -> None:
    winograd = WinogradHead(make_head(64, 64, 5), kernel)
    features = make_features(1, 64, 8, 12)
    assert torch.equal(winograd(features.contiguous()), winograd(features))


def cpu_with(monkeypatch: pytest.MonkeyPatch, *flags: str, builds: Container[str] = ()) -> None:
    """Let the machine have these flags and the library these functions; all of them by default."""

    def job_function(name: str) -> JobFunction | None:
        return None if builds and name not in builds else lambda *_: None

    monkeypatch.setattr(winograd_head, 'cpu_flags', lambda: frozenset(flags))
    monkeypatch.setattr(winograd_head, 'job_function', job_function)


AVX2 = ('sse2', 'avx', 'avx2', 'fma')
AVX512 = (*AVX2, 'avx512f', 'avx512bw', 'avx512vl')


@pytest.mark.parametrize(
    ('flags', 'bf16', 'fp32'),
    [
        (('sse2', 'avx'), None, None),
        (('asimd', 'bf16'), None, None),
        (AVX2, 'avx2', 'avx2'),
        (AVX512, 'avx512', 'avx512'),
        ((*AVX512, 'avx512_bf16'), 'avx512_bf16', 'avx512'),
        ((*AVX512, 'avx512_bf16', 'amx_bf16'), None, 'avx512'),
    ],
)
def test_the_fastest_that_a_cpu_has(
    monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...], bf16: str | None, fp32: str | None
) -> None:
    cpu_with(monkeypatch, *flags)
    assert kernel_for('bf16') == bf16
    assert kernel_for('fp32') == fp32


def test_only_what_the_compiler_could_build(monkeypatch: pytest.MonkeyPatch) -> None:
    flags = (*AVX512, 'avx512_bf16')
    cpu_with(monkeypatch, *flags, builds=['winograd_head_avx2', 'winograd_head_avx512'])
    assert kernel_for('bf16') == 'avx512'
    cpu_with(monkeypatch, *flags, builds=['upsample_argmax'])
    assert WinogradHead.of(make_head(128, 64, 3), 'fp32') is None


@needs_compiler
@pytest.mark.skipif(not winograd_head._FLAGS['avx2'] <= cpu_flags(), reason='needs AVX2')
@pytest.mark.parametrize('name', NETWORKS)
def test_serves_the_head_of_every_network(name: str) -> None:
    if 'resnet' in name and find_spec('torchvision') is None:
        pytest.skip('torchvision, which has the ResNets, is not installed')
    assert WinogradHead.of(fold_batch_norm(NETWORKS[name](19)).head, 'fp32') is not None


@pytest.mark.parametrize('channels', [(24, 64), (128, 100), (2048, 64)])
def test_leaves_a_head_of_other_widths_alone(channels: tuple[int, int]) -> None:
    assert WinogradHead.of(make_head(*channels, 3), 'fp32') is None
