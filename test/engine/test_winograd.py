# Copyright 2026 The bisenet_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A convolution by Winograd's algorithm is that of PyTorch, but for rounding."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Container, Iterator
from importlib.util import find_spec
from typing import get_args

import pytest
import torch
from torch import Tensor, nn

from bisenet_ros.engine import hardware, native, winograd
from bisenet_ros.engine.hardware import CAPABILITY_VARIABLE, cpu_has
from bisenet_ros.engine.native import Tasks
from bisenet_ros.engine.winograd import Kernel, WinogradConvolution, kernel_for, use_winograd
from bisenet_ros.network import (
    NETWORKS,
    SegmentationHead,
    SegmentationNetwork,
    fold_batch_norm,
)

KERNELS = [
    pytest.param(
        kernel,
        marks=pytest.mark.skipif(not cpu_has(kernel), reason=f'needs a CPU with {kernel}'),
    )
    for kernel in get_args(Kernel)
]
FLOAT_KERNELS = KERNELS[1:]
# Of the norm of the output. That of bf16 is what rounding each factor to 8 bits leaves of it.
TOLERANCE = {'avx512_bf16': 2e-2, 'avx512': 3e-6, 'avx2': 3e-6}

pytestmark = pytest.mark.usefixtures('small_images_pay')

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


def replaced(head: SegmentationHead, kernel: Kernel) -> WinogradConvolution:
    return WinogradConvolution(head.project.conv, kernel, relu=True, classifier=head.classify)


def relative_error(output: Tensor, module: nn.Module, x: Tensor) -> float:
    with torch.inference_mode():
        expected = module.double()(x.double())
    module.float()
    return float((output - expected).norm() / expected.norm())


@pytest.fixture(params=[1, 2, 3, 8])
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
        ((128, 128, 32), (1, 90)),
        ((128, 64, 48), (61, 43)),
    ],
)
def test_a_head_has_the_logits_of_torch(
    kernel: Kernel, channels: tuple[int, int, int], size: tuple[int, int]
) -> None:
    head = make_head(*channels)
    features = make_features(2, channels[0], *size)
    logits = replaced(head, kernel)(features)
    assert logits.shape == (2, channels[2], *size)
    assert logits.dtype == torch.float32
    assert logits.permute(0, 2, 3, 1).is_contiguous()
    assert relative_error(logits, head, features) < TOLERANCE[kernel]


@needs_compiler
@pytest.mark.parametrize('kernel', FLOAT_KERNELS)
@pytest.mark.parametrize('stride', [1, 2])
@pytest.mark.parametrize(
    ('channels', 'size', 'relu'),
    [
        ((32, 64), (8, 12), True),
        ((64, 192), (33, 21), False),
        ((192, 128), (2, 3), True),
        ((64, 64), (60, 100), False),
    ],
)
def test_a_convolution_has_the_features_of_torch(
    kernel: Kernel, stride: int, channels: tuple[int, int], size: tuple[int, int], relu: bool
) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(*channels, 3, padding=1, stride=stride)
    x = make_features(2, channels[0], *size)
    output = WinogradConvolution(conv, kernel, relu=relu)(x)
    assert output.permute(0, 2, 3, 1).is_contiguous()
    expected = nn.Sequential(conv, nn.ReLU() if relu else nn.Identity())
    assert relative_error(output, expected, x) < TOLERANCE[kernel]


@needs_compiler
@pytest.mark.parametrize('kernel', KERNELS)
def test_neither_threads_nor_what_came_before_change_a_bit(kernel: Kernel, threads: int) -> None:
    """Blocks of tiles are cut for the threads, and scratch is used again."""
    head = make_head(64, 128, 7)
    module = replaced(head, kernel)
    large, small = make_features(1, 64, 50, 70), make_features(1, 64, 9, 6)
    first = module(large)
    module(torch.full_like(small, 1e30))  # overflows, and leaves what is not finite behind
    assert torch.equal(module(large), first)

    torch.set_num_threads(1)
    assert torch.equal(module(large), first), threads
    assert torch.equal(replaced(head, kernel)(large), first), threads


@needs_compiler
@pytest.mark.parametrize('kernel', KERNELS)
def test_nan_stays_nan(kernel: Kernel) -> None:
    """Also through ReLU, as in torch; it may spread within a tile."""
    head, features = make_head(64, 64, 5), make_features(1, 64, 16, 20)
    features[0, 3, 6, 9] = torch.nan
    with torch.inference_mode():
        expected = head(features).isnan()
    found = replaced(head, kernel)(features).isnan()
    assert expected.any()
    assert found[expected].all()
    assert not found.all()


@needs_compiler
@pytest.mark.parametrize('kernel', KERNELS)
def test_features_in_any_layout(kernel: Kernel) -> None:
    module = replaced(make_head(64, 64, 5), kernel)
    features = make_features(1, 64, 8, 12)
    assert torch.equal(module(features.contiguous()), module(features))


@needs_compiler
@pytest.mark.parametrize('kernel', KERNELS)
def test_the_default_type_of_torch_does_not_matter(
    kernel: Kernel, set_default_dtype: Callable[[torch.dtype], None]
) -> None:
    """All that the C file reads and writes is named float32."""
    head, features = make_head(64, 64, 5), make_features(1, 64, 8, 12)
    expected = replaced(head, kernel)(features)
    for dtype in (torch.float64, torch.float16):
        module = replaced(head, kernel)
        set_default_dtype(dtype)
        assert torch.equal(module(features), expected), dtype


@needs_compiler
@pytest.mark.parametrize('kernel', KERNELS)
def test_small_images_are_left_to_torch(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    head = make_head(64, 64, 5)
    module = replaced(head, kernel)
    monkeypatch.setitem(winograd._MIN_FLOPS, 'torch', 18 * 64 * 64 * 8 * 12)
    assert module.is_faster('torch', 8, 12)
    assert not module.is_faster('torch', 8, 11)
    features = make_features(1, 64, 8, 11)
    with torch.inference_mode():
        assert torch.equal(module(features), head(features))


def cpu_with(monkeypatch: pytest.MonkeyPatch, *flags: str, builds: Container[str] = ()) -> None:
    """Let the machine have these flags and the library these functions; all of them by default."""

    def tasks(name: str) -> Tasks | None:
        return None if builds and name not in builds else lambda *_: None

    monkeypatch.delenv(CAPABILITY_VARIABLE, raising=False)
    monkeypatch.setattr(hardware, 'cpu_flags', lambda: frozenset(flags))
    monkeypatch.setattr(winograd, 'tasks', tasks)


AVX2 = ('sse2', 'avx', 'avx2', 'fma')
AVX512 = (*AVX2, 'avx512f', 'avx512bw', 'avx512vl')


@pytest.mark.parametrize(
    ('flags', 'bf16', 'fp32'),
    [
        (('sse2', 'avx'), None, None),
        (('asimd', 'bf16'), None, None),
        (AVX2, None, 'avx2'),
        (AVX512, None, 'avx512'),
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
    cpu_with(monkeypatch, *flags, builds=['winograd_avx2', 'winograd_avx512'])
    assert kernel_for('bf16') is None
    assert kernel_for('fp32') == 'avx512'
    cpu_with(monkeypatch, *flags, builds=['upsample_argmax'])
    assert kernel_for('fp32') is None


def build(name: str) -> SegmentationNetwork:
    if 'resnet' in name and find_spec('torchvision') is None:
        pytest.skip('needs torchvision, which has the ResNets')
    torch.manual_seed(0)
    return fold_batch_norm(NETWORKS[name](7))


def replaced_in(network: nn.Module) -> list[str]:
    return [name for name, part in network.named_modules() if isinstance(part, WinogradConvolution)]


@pytest.mark.skipif(kernel_for('fp32') is None, reason='needs the C library and AVX2')
@pytest.mark.parametrize('name', NETWORKS)
def test_a_network_stays_what_it_is(name: str) -> None:
    """In float32, where its wide convolutions are replaced, too."""
    network, images = build(name), torch.randn(1, 3, 96, 160)
    with torch.inference_mode():
        expected = network.coarse(images)
    use_winograd(network, 'fp32')
    names = replaced_in(network)
    assert 'head' in names
    assert len(names) > 1
    assert float((network.coarse(images) - expected).norm() / expected.norm()) < 1e-5


@pytest.mark.skipif(
    kernel_for('bf16') != 'avx512_bf16', reason='needs the C library and AVX-512 bf16 without AMX'
)
@pytest.mark.parametrize('name', NETWORKS)
def test_in_bf16_the_head_alone_is_replaced(name: str) -> None:
    network = build(name)
    use_winograd(network, 'bf16')
    assert replaced_in(network) == ['head']


def test_without_a_kernel_all_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu_with(monkeypatch, 'sse2')
    network = build('bisenetv2')
    use_winograd(network, 'fp32')
    assert replaced_in(network) == []


@needs_compiler
@pytest.mark.parametrize('channels', [(24, 64), (128, 100), (2048, 64)])
def test_other_widths_are_left_alone(channels: tuple[int, int]) -> None:
    network = build('bisenetv2')
    network.head = make_head(*channels, 3)
    use_winograd(network, 'fp32')
    assert isinstance(network.head, SegmentationHead)


@needs_compiler
def test_a_convolution_that_pads_by_reflection_is_left_alone() -> None:
    network, images = build('bisenetv2'), torch.randn(1, 3, 96, 160)
    conv = network.get_submodule('detail.1.conv')
    assert isinstance(conv, nn.Conv2d)
    conv.padding_mode = 'reflect'
    with torch.inference_mode():
        expected = network.coarse(images)
    use_winograd(network, 'fp32')
    assert 'detail.1.conv' not in replaced_in(network)
    assert float((network.coarse(images) - expected).norm() / expected.norm()) < 1e-5
